## Failures: what happened (one sentence), what to do next (one sentence).

error-internal = Something went wrong inside the program.
    .remedy = Try again; if it stays, report it with the line "Technical".
error-usage = The command is incomplete or does not fit together.
    .remedy = "kartenbund --help" shows all commands and options.
error-cancelled = Cancelled.
    .remedy = Start the command again when you want to go on.
error-nobody-there = The program would have to ask something, but there is no terminal.
    .remedy = Start it in a terminal, or hand in PIN, password and access number with --pin-fd, --password-fd and --can.
error-input-invalid = { $input ->
        [kvnr_small_letter] The letter of the insurance number is written small.
        [kvnr_trailing_part] Something follows the insurance number.
        [kvnr_check_digit] A digit of the insurance number is wrong.
        [kvnr_shape] That is not an insurance number.
        [not_digits] Only digits can be typed here.
        [device_pin_length] The device PIN has exactly six digits.
        [card_pin_length] The card PIN has six to eight digits.
        [can_shape] The card access number (CAN) has six digits.
        [transport_pin_length] The transport PIN has five digits.
        [keypad_length] Too few or too many digits were typed on the card reader; the card has seen none of them.
        [puk_length] The PUK has eight digits.
        [entries_differ] The two entries of the new PIN differ.
        [short_string] The new computer shows eight digits.
        [match_code] The match code has two digits.
        [card_name] The name consists of given name and family name.
        [payer_ik] The number of the insurer has nine digits.
        [date] A date is written as YYYY-MM-DD.
        [descriptor] There is nothing to read behind the number of --pin-fd or --password-fd.
        [device_name] The name of the device is empty, too long, or holds invisible characters.
        [too_long] What is on the file descriptor is longer than anything that is asked for.
        [account_name] The name of an account has at most 32 letters from a to z, digits, hyphens and underscores.
        [demo_folder] There are files of another demonstration in this folder.
        [identifier] That is not an identifier from "kartenbund approvals" or "kartenbund devices".
       *[other] The input is not valid.
    }
    .remedy = { $input ->
        [kvnr_small_letter] Type it as a capital letter, for example A123456780.
        [kvnr_trailing_part] Type the first ten characters only: one capital letter and nine digits, without hyphen and what follows.
        [kvnr_check_digit] Compare the ten characters with the front of your health card.
        [kvnr_shape] It is on the front of the health card: one capital letter and nine digits.
        [identifier] Copy the whole identifier.
        [demo_folder] Name another folder with --dir, or leave it out.
        [descriptor] Open the file descriptor for reading, for example with "--pin-fd 3 3<FILE".
       *[other] Start the command again and type it once more.
    }
error-file = { $why ->
        [exists] The file "{ $path }" is there already; it is not written over.
        [content] The file does not hold what is needed here, or is too long for it: { $path }
       *[other] A file cannot be read or written: { $path }
    }
    .remedy = { $why ->
        [exists] Name another file, or delete this one first.
        [content] Check whether it is the right file.
       *[other] Check whether the folder exists, belongs to you, and the disk has room.
    }

error-file-damaged = A file of this program is damaged: { $path }
    .remedy = Rename the file and log in anew: "kartenbund login --service https://…".

error-no-pcsc-service = The service for card readers (PC/SC) does not run.
    .remedy = { $os ->
        [debian] Install and start it: "sudo apt install pcscd libccid", then "sudo systemctl enable --now pcscd.socket".
        [fedora] Install and start it: "sudo dnf install pcsc-lite pcsc-lite-ccid", then "sudo systemctl enable --now pcscd.socket".
        [arch] Install and start it: "sudo pacman -S pcsclite ccid", then "sudo systemctl enable --now pcscd.socket".
        [windows] Plug the card reader in: the service "Smart Card" (SCardSvr) then starts by itself. If not, start it in "Services".
        [macos] It is part of macOS: plug the reader in again; if that does not help, restart the computer.
       *[linux] Install pcsc-lite (pcscd) and ccid with the package manager, then "sudo systemctl enable --now pcscd.socket".
    }
error-not-allowed = { $why ->
        [version] The service for card readers (PC/SC) runs, but its version and that of this program's library do not understand one another.
        [flatpak] This program runs in Flatpak and may not use card readers there.
        [snap] This program runs as a snap and may not use card readers there.
        [socket] This program may not open the way to the service for card readers (PC/SC).
       *[rights] The service for card readers (PC/SC) runs, but does not let this program in.
    }
    .remedy = { $why ->
        [version] Bring pcscd and libpcsclite to the same version and restart the service: "sudo systemctl restart pcscd". In Flatpak or Snap, update this program as well.
        [flatpak] Allow it: "flatpak override --user --socket=pcsc { $sandbox }", and start the program again.
        [snap] Allow it: "sudo snap connect { $sandbox }:pcscd", and start the program again. The service pcscd must be installed on the computer itself.
       *[rights] { $os ->
            [windows] Work at the computer itself, not by remote desktop, or ask whoever looks after the computer.
            [macos] Allow the program in "System Settings, Privacy & Security", or ask whoever looks after the computer.
           *[linux] Log in at the computer itself, not over the network (SSH). Otherwise your user needs a polkit rule for org.debian.pcsc-lite.access_pcsc and access_card, or the group of /run/pcscd/pcscd.comm.
        }
    }
error-no-reader = { $why ->
        [driver] There is a card reader at the USB port, but the service for card readers does not know it: its driver is missing.
        [scdaemon] There is a card reader at the USB port, but the service for card readers does not know it; most likely scdaemon of GnuPG holds the reader.
        [reiner-sct] There is a card reader by REINER SCT at the USB port, but the service for card readers does not know it: it needs the maker's own driver.
       *[none] { $reader ->
            [none] No card reader is connected.
           *[other] The card reader "{ $reader }" is not connected.
        }
    }
    .remedy = { $why ->
        [driver] { $os ->
            [debian] "sudo apt install libccid", then "sudo systemctl restart pcscd" and plug the reader in again. Some readers need a driver by their maker.
            [fedora] "sudo dnf install pcsc-lite-ccid", then "sudo systemctl restart pcscd" and plug the reader in again. Some readers need a driver by their maker.
            [arch] "sudo pacman -S ccid", then "sudo systemctl restart pcscd" and plug the reader in again. Some readers need a driver by their maker.
           *[other] Install the driver "ccid", then "sudo systemctl restart pcscd" and plug the reader in again. Some readers need a driver by their maker.
        }
        [scdaemon] "gpgconf --kill scdaemon", then plug the reader in again. If that does not help, "kartenbund doctor" says afterwards what is missing.
        [reiner-sct] { $os ->
            [debian] "sudo apt install libifd-cyberjack6", then "sudo systemctl restart pcscd" and plug the reader in again. New readers need the driver from www.reiner-sct.com.
           *[other] Install the driver "cyberjack" with the package manager or from www.reiner-sct.com, then "sudo systemctl restart pcscd" and plug the reader in again.
        }
       *[none] Plug the reader in and wait a few seconds; "kartenbund readers" shows which ones are found.
    }
error-no-card = There is no card in the reader.
    .remedy = Put the health card into the reader, with the golden chip first.
error-mute-card = The card does not answer.
    .remedy = Turn the card over: the golden chip must point into the reader. If that does not help, clean the chip with a dry cloth, try another reader, or unplug the reader for five seconds.
error-several-cards = More than one reader holds a card.
    .remedy = Name the right one with --reader NAME, or take the other cards out.
error-card-in-use = { $holder ->
        [scdaemon] Another program uses the card, most likely scdaemon of GnuPG, which keeps card readers for itself.
       *[none] Another program uses the card.
    }
    .remedy = { $holder ->
        [scdaemon] Set the reader free: "gpgconf --kill scdaemon". If that does not help, close banking and tax programs, the AusweisApp, practice software and browsers.
       *[none] { $os ->
            [windows] Close a second Kartenbund, banking and tax programs (StarMoney, ELSTER), the AusweisApp, practice software and browsers. Windows itself reads a card that was just put in (service "Certificate Propagation"): wait ten seconds.
            [macos] Close a second Kartenbund, banking and tax programs (StarMoney, ELSTER), the AusweisApp, practice software and browsers. GnuPG sets the reader free with "gpgconf --kill scdaemon".
           *[linux] Close a second Kartenbund, banking and tax programs (Hibiscus, ELSTER), the AusweisApp, practice software and browsers. GnuPG sets the reader free with "gpgconf --kill scdaemon".
        }
    }
error-card-removed = The card or the reader was removed while it was used.
    .remedy = Put the card in again and start the command anew; nothing was left half done.
error-card-timeout = The card did not answer in time.
    .remedy = On a reader without contacts leave the card there until all is done; in a reader with a slot put it in anew. If that does not help, unplug the reader for five seconds.
error-card-reset = Another program resets the card again and again.
    .remedy = Close other programs that use cards (banking, taxes, AusweisApp, practice software, logging in with a card in the browser), and start the command anew.
error-transmission = The line to the card was disturbed.
    .remedy = Put the card in again; if that does not help, unplug the reader for five seconds.
error-secure-line = The protected line to the card did not come about, or broke off.
    .remedy = Lay the card on the reader once more and leave it there. If that does not help, try --short-apdus, or use a reader into which the card is put.
error-not-an-egk = { $card ->
        [hba] This is a health professional's card, not a health card.
        [smc-b] This is the card of a practice or institution, not a health card.
       *[unknown] This is not an electronic health card.
    }
    .remedy = Put your health card (eGK) into the reader.
error-card-too-old = This health card is too old.
    .remedy = Ask your insurer for a new card.
error-card-contactless = The card lies on a reader without contacts; its card access number (CAN) is needed for that.
    .remedy = Give the six digits on the front of the card with --can. Where that is not offered, put the card into a reader with a slot.
error-card-deactivated = The insurer has switched off the application on this card.
    .remedy = Ask your insurer; you may have a newer card already.
error-card-answer = The card refused a command ({ $command }: { $status }).
    .remedy = Put the card in again and try once more; if it stays, ask your insurer.
error-card-data = { $what ->
        [no_certificate] The card lacks the certificate that says whom it belongs to.
       *[other] The data on the card are damaged or incomplete.
    }
    .remedy = { $what ->
        [no_certificate] Ask your insurer for a new card.
       *[other] Try again; if it stays, ask your insurer to check the card.
    }
error-card-updating = The insurance data on the card were not updated to the end.
    .remedy = Have the card read once more in a doctor's practice.
error-card-mismatch = The data on the card name another person than its certificate.
    .remedy = Do not use this card, and get in touch with your insurer.

error-keypad-timeout = Nothing was typed on the card reader in time; no try was used.
    .remedy = Have the PIN letter at hand and start the command again. The reader waits about half a minute.
error-keypad-refused = The card reader does not take the PIN on its keypad; no try was used.
    .remedy = Type the PIN on this computer: start the command with --no-keypad.
error-card-pin-wrong = The card PIN is wrong; { $tries ->
        [one] one try is left
       *[other] { $tries } tries are left
    }.
    .remedy = Look it up in the PIN letter of your insurer. It is the PIN of the health card, not the device PIN.
error-card-pin-blocked = The card PIN is blocked.
    .remedy = Unblock it with the PUK of the PIN letter ("kartenbund card pin unblock"), or ask your insurer for help.
error-card-last-try = { $tries ->
        [unknown] The card does not tell how many tries the transport PIN has left; none was used.
       *[one] Only one try is left for the card PIN; it was not used.
    }
    .remedy = Look it up in the PIN letter. If you are sure, start the command with --allow-last-try.
error-card-transport-pin = The card still has the transport PIN of the PIN letter.
    .remedy = Replace it by a PIN of your own first: "kartenbund card pin change".
error-card-no-pin = { $why ->
        [empty] The card has no PIN yet.
        [none_taken] The card has no PIN yet, and takes none either.
       *[other] The PIN of this card cannot be used.
    }
    .remedy = { $why ->
        [empty] Choose one: "kartenbund card pin change". If the card takes none, ask your insurer for a PIN.
        [none_taken] Ask your insurer for a PIN. It checks who you are and sends you a PIN letter.
       *[other] Put the card in once more; if it stays like this, ask your insurer.
    }

error-can-wrong = That is not the card access number (CAN) of this card.
    .remedy = It is on the front of the health card: six digits, mostly top right. It is neither the PIN nor the insurance number.

error-puk-wrong = The PUK is wrong; { $uses ->
        [one] it can be used once more
       *[other] it can be used { $uses } more times
    }.
    .remedy = Look into the PIN letter of your insurer: the PUK has eight digits. Every entry counts, also a right one.
error-pin-unanswered = The card did not answer any more; whether it has taken what was entered is not known.
    .remedy = "kartenbund card pin status" shows how things stand. Try the new PIN first; a use of the PUK may have been counted.
error-puk-used-up = The PUK of this card is used up.
    .remedy = Ask your insurer for a new card; if the PIN of this one is blocked, it cannot be unblocked any more.

error-certificate-refused = The certificate of the card is not accepted.
    .remedy = Check whether it is the card of your present insurer; else ask there.
error-certificate-expired = The health card has expired.
    .remedy = Use your new card, or ask your insurer for one.
error-card-key-unsupported = The key in this card’s certificate is none that Kartenbund can work with. Ask your health insurer.
    .remedy = Ask your insurer for a new card.
error-other-person = The card belongs to another person than the account.
    .remedy = Put your own card in, or log in with your own insurance number.
error-other-insurer = { $detail ->
        [none] The card is of another insurer.
       *[other] The card is of another insurer: { $detail }.
    }
    .remedy = Use the card of the insurer you are a member of now.
error-chip-refused = { $why ->
        [signature] The chip did not show that it is the one of its certificate. With real cards this check is not confirmed yet.
        [unknown] The certificate of the chip is by a root that was not named.
        [expired] The certificate of the chip has expired.
        [not-yet] The certificate of the chip is not valid yet.
       *[other] The certificate of the chip is not the one of a genuine health card.
    }
    .remedy = { $why ->
        [unknown] Name the root that belongs to the card with --cvc-root.
        [not-yet] Check whether the clock of this computer is right. If it is, ask your insurer.
        [expired] Check whether the clock of this computer is right. If it is, ask your insurer for a new card.
       *[other] Ask your insurer.
    }
error-cvc-root = The file holds no root of card-verifiable certificates, or it is signed by one that was not named before it: { $path }
    .remedy = Name a file with the certificate of a root. Where another root has signed it, name that one first.

error-key-ring = { $why ->
        [locked] The login belongs into the key ring of the desktop, and that is locked.
        [lost] The login was in the key ring of the desktop; it is not there any more.
        [damaged] The login in the key ring of the desktop is damaged.
        [absent] The login is in the key ring of the desktop, and there is none here.
        [unwanted] The login is in the key ring of the desktop, and that is not to be used.
        [silent] The key ring of the desktop does not answer.
       *[broken] The key ring of the desktop cannot be used.
    }
    .remedy = { $why ->
        [locked] Unlock it, for example in “Passwords and Keys”, and start the command again. Without key ring: “kartenbund login --no-key-ring”.
        [lost] Log in again: “kartenbund login”.
        [damaged] Log in again: “kartenbund login”.
        [absent] Work at the desktop itself, or log in again here: “kartenbund login”.
        [unwanted] Leave out --no-key-ring (KARTENBUND_NO_KEY_RING), or log in again with it: “kartenbund login --no-key-ring”.
       *[other] Log out of the desktop and in again. Without key ring: “kartenbund login --no-key-ring”.
    }
error-several-accounts = There are several accounts on this computer: { $accounts }.
    .remedy = Say which one is meant: “kartenbund --account NAME …”.
error-no-account = There is no account “{ $account }” on this computer.
    .remedy = { $accounts ->
        [none] Log in first: “kartenbund login --account { $account } --service https://…”.
       *[other] There are: { $accounts }. A login makes a new one: “kartenbund login --account { $account } --service https://…”.
    }
error-service-unreachable = { $why ->
        [name] The address of the insurer's service is not to be found in the Internet.
        [line] Nobody answers at the address of the insurer's service.
        [stranger] Somebody answers at the address of the insurer's service, but does not prove to be the service.
        [busy] The insurer's service cannot answer at the moment.
       *[other] The insurer's service cannot be reached.
    }
    .remedy = { $why ->
        [busy] Try again in some minutes.
        [name] Check the internet connection; open a page in the browser, for example.
        [stranger] Check date and time of this computer. In a network that is not your own, log in there in the browser first. Otherwise try again later.
        [line] Check the internet connection, a firewall and the address of the service, and try again later.
       *[other] Check the internet connection and the address of the service, and try again later.
    }
error-service-refused = { $code ->
        [level_too_low] Only a device that is registered with health card and card PIN may approve this.
       *[other] The insurer's service refused ({ $code }).
    }
    .remedy = { $code ->
        [level_too_low] Approve on such a device, or register this computer with the card: "kartenbund register --replace".
       *[other] Try again; if it stays, tell the insurer the line "Technical".
    }
error-service-answer = The service answered something that cannot be understood or contradicts itself; nothing was signed that was not checked.
    .remedy = Check the address of the service, and whether there is a newer version of this program.
error-service-key-changed = { $why ->
        [named] The service shows another key than the one whose fingerprint you have given.
        [old] The service shows the key that you have named, but by the clock of this computer its answer is not of now: the clock is wrong by more than ten minutes, or somebody says an old answer again.
       *[unknown] The service shows a key that this computer does not know. It could be somebody else who answers; or the insurer has changed the key while this computer was not used for a long time.
    }
    .remedy = { $why ->
        [named] Check the fingerprint for typing errors, capital and small letters as well, and whether it is the newest one that the insurer tells. If it is right, somebody else answers: type nothing, and tell the insurer.
        [old] Set date and time of this computer right, and try again. If it stays, somebody else answers: type nothing, and tell the insurer.
       *[unknown] Type nothing. Have your insurer tell you the fingerprint of its key in another way, 43 characters, and log in with it: "kartenbund login --service-fingerprint FINGERPRINT". The program compares it with the key of the service, and logs you in only if the two fit.
    }
error-service-address = The address of the service is not protected, or no address.
    .remedy = Type it as the insurer gives it: https:// and the name, nothing else.
error-account-unknown = The card is all right, but there is no account of yours here yet.
    .remedy = Ask your insurer whether you are entered as a member already.
error-reset-not-approved = No registered device has approved the new password.
    .remedy = Approve it on the registered device ("kartenbund approvals"), or use the health card or a letter: "kartenbund password reset".
error-login-failed = Insurance number or password are wrong.
    .remedy = Mind capital and small letters. Before the first day of the insurance nobody can log in. Forgotten: "kartenbund password reset".
error-login-delayed = { $code ->
        [too_many_logins] Too many passwords were tried from your network lately.
       *[other] Several wrong passwords were entered for this account; some time passes before the next try.
    }
    .remedy = { $unit ->
        [seconds] { $count ->
            [one] The password still holds; try again in one second.
           *[other] The password still holds; try again in { $count } seconds.
        }
        [minutes] The password still holds; try again in { $count } minutes.
        [hours] The password still holds; try again in { $count } hours.
       *[other] The password still holds; try again later.
    }
error-not-yet = { $detail ->
        [day] Your account opens on the first day of your insurance, on { $year }-{ $month }-{ $day }.
       *[other] Your account opens on the first day of your insurance.
    }
    .remedy = Log in again then; your password still holds.
error-too-young = This insurer gives people of your age no account of their own.
    .remedy = { $detail ->
        [none] Call your insurer: they say who can keep the account.
       *[other] Call your insurer ({ $detail }): they say who can keep the account.
    }
error-account-suspended = The account is suspended.
    .remedy = { $detail ->
        [none] Call your insurer: they can open it again.
       *[other] Call your insurer ({ $detail }): they can open it again.
    }
error-account-closed = Your insurance with this insurer has ended; nothing in the account can be changed any more.
    .remedy = You can still read what is in the account; for everything else ask the insurer.
error-password-refused = { $detail ->
        [too_short] The new password is too short: it needs { $characters } characters at least.
        [too_long] The new password is too long: more than 1,024 bytes are not possible.
        [common] The new password is one that everybody tries first.
        [personal] Your insurance number, name or birth date, or the insurer's name is in the new password.
        [classes] The new password needs a capital letter, a small letter, a digit and another character.
        [initial] The new password is the one of the letter, which holds only once.
       *[other] The new password breaks a rule of the insurer.
    }
    .remedy = Choose another one, for example four words that have nothing to do with one another; pasting is fine.
error-old-password-wrong = The present password is wrong; nothing was changed.
    .remedy = Mind capital and small letters. If you have forgotten it, reset it with the health card or a new letter.
error-initial-password-ended = { $detail ->
        [used] The password of this letter was used before; it holds only once.
       *[other] The password of this letter is too old to hold any more.
    }
    .remedy = Order a new letter, or log in with the health card. If it was not you who used it, call your insurer.
error-no-session = You are not logged in, or the login has ended.
    .remedy = Log in: "kartenbund login".
error-session-ended = { $detail ->
        [reused] Your login was ended: somebody else has used the login data of this computer.
       *[ended] Your login was ended, by you on another computer or by a new password.
    }
    .remedy = { $detail ->
        [reused] Check this computer for programs and access that are not yours. Then log in again ("kartenbund login"), change the password, and tell your health insurer.
       *[ended] Log in again: "kartenbund login". If it was not you, change the password afterwards and tell your health insurer.
    }
error-password-first = Before anything else you have to choose a password of your own.
    .remedy = Choose it with "kartenbund password change".
error-no-profile = Nobody has logged in on this computer yet.
    .remedy = Log in: "kartenbund login --service https://…".
error-other-account = This computer is registered for another account already.
    .remedy = Log in with its insurance number, or give the second person an account of their own on this computer with --account.
error-not-found = There is no such thing in this account.
    .remedy = "kartenbund approvals" and "kartenbund devices" show what there is.

error-no-device = No device is registered that can approve.
    .remedy = Register this computer with the health card: "kartenbund register". Without a card, take the code of a letter: "kartenbund register --order-letter".
error-device-locked-by-owner = This device is locked.
    .remedy = Log in with the health card ("kartenbund login --card"), or at another computer that it has registered ("kartenbund login --device"), and unlock it: "kartenbund devices unlock ID".
error-device-expired = The registration of this device has expired.
    .remedy = Renew the registration on that computer with health card and device PIN; device and device PIN stay: "kartenbund devices rebind". Device PIN forgotten? "kartenbund register --replace".
error-stronger-login-needed = { $detail ->
        [remove] This login may not remove that device: with the password alone, or at a device that was registered with less than the other one, nobody removes a device for good.
        [not_lately] This login is older than five minutes. For this you must have logged in just now, with the health card or at a registered device: so a computer where you are still logged in is enough for nobody.
       *[other] The password is not enough for this: you must be logged in with the health card or with a registered device.
    }
    .remedy = { $detail ->
        [remove] Lock it, which holds at once: "kartenbund devices lock ID". To remove it, log in with the health card ("kartenbund login --card"), or at a computer that was registered as that device was, or with the card ("kartenbund login --device").
        [not_lately] Log in again, here with the device PIN ("kartenbund login --device") or with health card and card PIN ("kartenbund login --card"), and try at once once more. Any login locks: "kartenbund devices lock ID".
       *[other] Log in with health card and card PIN ("kartenbund login --card") or with a device that the card has registered ("kartenbund login --device"), and try again.
    }
error-device-too-young = No device adds another one in its first 14 days.
    .remedy = "kartenbund devices" shows since when your devices are registered. With the health card it takes no time: register the new computer with it ("kartenbund register"), or show it a code ("kartenbund devices code --card").
error-device-not-approved = { $why ->
        [expired] Nobody has approved on the registered device in time.
       *[other] It was not approved on the registered device.
    }
    .remedy = Begin again: "kartenbund register --method device". If the device is not with you, take the health card or the code of a letter.
error-strings-differ = The digits were wrong three times. The new device was denied.
    .remedy = Begin again on the new computer. If the digits were read rightly, somebody stands between the devices: call your insurer.
error-added-elsewhere = This application is being checked on another device already, or the check was broken off.
    .remedy = Go through with it there, or begin again on the new computer: "kartenbund register --method device".
error-card-number-unknown = Your insurer does not know the number of your health card: without the card PIN it does not do.
    .remedy = Register with card and card PIN ("kartenbund register") or with the code of a letter ("kartenbund register --method qr").
error-chip-not-accepted = The chip of this card is not accepted.
    .remedy = Take the card that your insurer sent you last. If it came just now, the insurer may not know its number yet. With the card PIN it takes no time: "kartenbund register".
error-attestation-refused = The service does not believe the TPM of this computer that the key lies in it.
    .remedy = Register again. If that does not help, keep the key in the file: "kartenbund register --no-tpm". Your insurer would like to know.
error-card-revoked = This health card was reported lost, or revoked.
    .remedy = Take the new card. If you got none, or have found the old one, call your insurer. With the code of a letter it goes without card, too: "kartenbund register --method qr".
error-card-unknown = Whoever issued this health card does not know it.
    .remedy = Take the card that your insurer has sent you last, and call them otherwise. With the code of a letter it goes without card, too: "kartenbund register --method qr".
error-card-status-unavailable = Whether this health card was revoked cannot be learnt at the moment. Nothing was used up.
    .remedy = Try again in a few minutes.
error-responder = This is no certificate of an OCSP responder.
    .remedy = Name with --ocsp-responder a PEM file with the certificate of the responder, for instance from the trust list.
error-fingerprint = { $why ->
        [no_reader] This computer has no fingerprint reader, or no service for one runs (fprintd).
        [no_finger] This computer knows none of your fingers yet.
        [not_allowed] The fingerprint reader may not be used from here.
        [in_use] Another program is using the fingerprint reader.
        [unknown] The computer knew none of the three fingers.
        [nobody] Nothing happened at the fingerprint reader for half a minute.
       *[other] The fingerprint reader does not work as it should.
    }
    .remedy = { $why ->
        [no_finger] Enrol a finger in the settings of the desktop, or with "fprintd-enroll".
        [not_allowed] Start the program at this computer itself, not over a line from afar. Without a fingerprint it goes with the device PIN after "kartenbund devices fingerprint off".
        [no_reader] If your reader is connected, install fprintd. Where approvals want a fingerprint, "kartenbund devices fingerprint off" turns that off with the device PIN.
       *[other] Try again. Where approvals want a fingerprint, "kartenbund devices fingerprint off" turns that off with the device PIN.
    }
error-program-too-old = This program is too old: the insurer's service wants at least version { $version }.
    .remedy = Install the new version from where you have Kartenbund, and start the command again. Your registration stays.
error-device-waiting = The new device may approve nothing yet.
    .remedy = "kartenbund devices" shows from when on. A device that was registered without the card PIN waits for 24 hours, and until the letter is printed that tells of it. With the health card it takes no time: "kartenbund register --replace".
error-letter-code-picture = { $why ->
        [clipboard] There is no picture in the clipboard, or it cannot be reached.
        [file] The file of the picture cannot be read.
        [picture] This is no picture that this program reads, or it is damaged or too large.
       *[no_symbol] No QR code can be seen in the picture.
    }
    .remedy = It takes a PNG or JPEG that shows the whole code, sharp, with the white around it. Or type the groups that stand below it: "kartenbund register --method qr".
error-letter-code-wrong = { $group ->
        [0] This is no such code of your insurer.
       *[other] Group { $group } is wrong.
    }
    .remedy = Compare it with the paper or the screen it stands on: each group has five characters. The letters I, L, O and U do not occur.
error-letter-code-of-other-service = { $host ->
        [none] The code is for another service, or groups of two codes are mixed.
       *[host] The code is for another service: { $host }.
    }
    .remedy = Take the letter from the insurer you are logged in with, or the code of a computer that is registered there ("kartenbund devices code"). If you have neither, order a letter: "kartenbund register --order-letter".
error-letter-code-ended = { $detail ->
        [used] A device was registered with this code already.
        [expired] This code has expired.
        [void] This code does not hold any more, since it was entered wrongly too often.
        [superseded] This code does not hold any more, since another one was shown after it.
        [no_password] A code from a screen registers only a computer where you are logged in with your password.
        [session_ended] This code does not hold any more, since the computer that has shown it is not logged in any more.
       *[unknown] This code is not of your account.
    }
    .remedy = { $detail ->
        [no_password] Log in with the password on the computer that is to be registered ("kartenbund login"), and enter the code again: it still holds.
       *[other] Order a new letter ("kartenbund register --order-letter"), or show a new code on a registered computer: "kartenbund devices code". If it was not you who used the code, look at "kartenbund devices" and call your insurer.
    }
error-already-registered = This computer is registered already.
    .remedy = { $why ->
        [another] The other device is as it was. Lock it, which holds at once: "kartenbund devices lock ID". To remove it, log in with the health card, for which this computer need not be registered anew: "kartenbund login --card", then "kartenbund devices remove ID".
       *[other] If you want to register it anew (with a new device PIN, for example), add --replace.
    }
error-device-pin-wrong = { $tries ->
        [-1] The device PIN is wrong.
        [one] The device PIN is wrong. One try is left.
       *[other] The device PIN is wrong. { $tries } tries are left.
    }
    .remedy = It is the six-digit PIN you chose for this computer. Forgotten? "kartenbund register --replace" with the health card.
error-device-of-other-service = This computer is registered at another service than the one you named.
    .remedy = Leave out --service, or log in there with password or health card.
error-tpm-absent = The device key is in the TPM, and none is to be seen on this computer.
    .remedy = Switch the TPM on in the BIOS and start the computer anew. If the device file is from another computer, register this one: "kartenbund register --replace".
error-tpm-not-allowed = The device key is in the TPM, which you may not use.
    .remedy = Add your account to the group "tss" ("sudo usermod -aG tss $USER") and log in to the computer anew. No try of the device PIN was used.
error-tpm-broken = The TPM of this computer does not answer as it should.
    .remedy = Try once more. If it stays like that, start the computer anew, or register it without TPM: "kartenbund register --replace --no-tpm".
error-tpm-other = The device key belongs to another TPM, or this one was cleared.
    .remedy = The key is lost. Register this computer anew: "kartenbund register --replace". No try of the device PIN was used.
error-tpm-not-built-in = The device key is in the TPM, and this program was built without support for it.
    .remedy = Use the program that the computer was registered with, or register it anew: "kartenbund register --replace".
error-device-login-refused = The service did not take the login with this device.
    .remedy = Try again. If it stays like this, log in with password or health card and look at "kartenbund devices", whether the device is still registered.
error-device-gone = This device is not registered any more: the device PIN was wrong too often, or it was removed.
    .remedy = Register the computer anew with the health card now; name and level stay: "kartenbund register".
error-device-locked = No try is left for the device PIN.
    .remedy = { $unit ->
        [seconds] If you entered it rightly just now, try again in { $count } seconds. Otherwise register the computer anew with the health card: "kartenbund register --replace".
       *[other] If you entered it rightly just now, try again in two minutes. Otherwise register the computer anew with the health card: "kartenbund register --replace".
    }
error-device-secret = { $why ->
        [locked] A part of the device key is in the key ring of the desktop, and that is locked.
        [lost] A part of the device key was in the key ring of the desktop; it is not there any more.
        [damaged] A part of the device key is in the key ring of the desktop, and is damaged.
        [absent] A part of the device key is in the key ring of the desktop, and there is none here.
        [unwanted] A part of the device key is in the key ring of the desktop, and that is not to be used.
       *[other] A part of the device key is in the key ring of the desktop, and that cannot be used.
    }
    .remedy = { $why ->
        [locked] Unlock it, for example in “Passwords and Keys”, and start the command again.
        [lost] Register this computer anew with the health card: "kartenbund register --replace".
        [damaged] Register this computer anew with the health card: "kartenbund register --replace".
        [absent] Work at the desktop itself, or register this computer anew: "kartenbund register --replace".
        [unwanted] Leave out --no-key-ring (KARTENBUND_NO_KEY_RING), or register this computer anew: "kartenbund register --replace --no-key-ring".
       *[other] Log out of the desktop and in again, and start the command again.
    }
error-device-pin-weak = { $why ->
        [one_digit] One digit, six times: that is guessed first.
        [run] Digits in equal steps: that is guessed first.
        [blocks] Repeated digits: that is guessed first.
        [birth_date] That is your birth date: it is guessed first.
        [insurance_number] These digits are in your insurance number.
        [postal_code] That is your postal code.
        [card_number] That is the end of the number of your health card.
        [can] That is the CAN of your health card.
        [old] That is the device PIN of before.
       *[common] This device PIN is one of the thousand most common.
    }
    .remedy = Make up six digits that have nothing to do with you.
error-device-file = The file with this computer's key is damaged.
    .remedy = Register this computer anew: "kartenbund register --replace".
error-not-pending = The application was decided, has expired, was replaced or executed.
    .remedy = "kartenbund approvals" shows its state; else submit it anew.
error-document-refused = The document cannot be shown as it is meant; that is why it cannot be approved.
    .remedy = Check whether there is a newer version of this program, and ask your insurer.
error-match-code-wrong = { $detail ->
        [1] The match code is wrong; one try is left.
        [2] The match code is wrong; 2 tries are left.
       *[other] The match code is wrong.
    }
    .remedy = It is shown where the application was submitted. If you did not submit one: "kartenbund approvals not-me ID".
error-match-code-denied = The match code was wrong three times; the application is denied.
    .remedy = If it is yours, submit it again. If not, change your password and call your insurer.
error-too-many = There are as many already as are allowed ({ $code }).
    .remedy = { $code ->
        [too_many_devices] Five devices may be active; those that wait count, too. Lock one you do not use now: "kartenbund devices lock ID". For good, with the health card: "kartenbund register --replace=ID" registers this computer in its place; or, logged in with the card or such a device, "kartenbund devices remove ID".
        [too_many_letters] Wait for the letter you have ordered; 30 days after an order there can be another one. With the health card you need none.
        [too_many_pending] Decide on the open applications first: "kartenbund approvals".
       *[other] Try again tomorrow.
    }
error-application-invalid = { $detail ->
        [street] The street is empty, too long, or holds characters one cannot see.
        [house_number] The house number is empty, too long, or holds characters one cannot see.
        [supplement] The supplement to the address is empty, too long, or holds characters one cannot see.
        [city] The town is empty, too long, or holds characters one cannot see.
        [country] The country is no code as on number plates, like "D" or "A".
        [postal_code] The postal code is wrong; in Germany it has five digits.
        [iban] The IBAN is wrong.
        [email] The e-mail address is wrong, or holds other characters than A–Z, a–z, digits and the usual signs.
        [account_holder] The account holder's name is empty, too long, or holds characters one cannot see.
       *[other] The application holds something invalid.
    }
    .remedy = { $detail ->
        [iban] Compare it with your bank card or a statement.
        [email] Compare it character by character. This service takes no address with umlauts or other letters beyond A–Z.
        [country] Give the code in capital letters.
       *[other] Check what you entered and submit the application again.
    }
error-notice-not-optional = There are no such notices, or they cannot be switched off.
    .remedy = "kartenbund notices" shows in brackets the names of those that can be switched off.

error-evidence-invalid = The evidence does not stand up.
    .remedy = Do not rely on it; ask for the evidence anew, and check whether the trust anchor (--anchor) fits.
error-not-evidence = The file is no evidence of this version.
    .remedy = Name a file that "kartenbund evidence export" wrote; export an older one anew with it.
error-anchor = { $of ->
        [list] The trust anchor is no certificate of a CA.
       *[card] The trust anchor is no certificate of a card CA.
    }
    .remedy = { $of ->
        [list] Name with --tsl-anchor a PEM file with the certificate of the CA that issued the certificate that signs the trust list.
       *[card] Name with --anchor a PEM file with the certificate of the CA that issued the card.
    }
error-password-set-only = Your new password holds; but the login with it did not work.
    .remedy = Log in with the new password: “kartenbund login”.
error-session-mismatch = The recorded session does not fit, line { $line }: expected { $expected }, { $what ->
        [answer] answered
       *[command] sent
    } { $actual }.
    .remedy = Record the session anew with this version: "kartenbund record".
error-session-file = The recorded session cannot be read or written (line { $line }).
    .remedy = Check the file; docs/card.md describes the format.
error-card-image = The card image cannot be loaded.
    .remedy = Name an image in gematik's XML format, or make one: "kartenbund virtual-card new".
error-scenario = { $why ->
        [unknown] Line { $line } of the scenario: there is no key "{ $key }".
        [value] Line { $line } of the scenario: "{ $key }" cannot be like that.
        [combination] In the scenario, "{ $key }" does not go with "{ $other }".
        [card] The scenario does not fit this card: it has nothing that "{ $key }" could change.
        [contactless] "{ $key }" in the scenario is for cards without contacts.
        [reader] The virtual reader of PC/SC cannot do "{ $key }" of the scenario.
       *[text] The scenario is no text.
    }
    .remedy = { $why ->
        [unknown] Perhaps "{ $nearest }" is meant; docs/card.md lists all keys.
        [value] docs/card.md lists all keys and what may stand behind them.
        [card] Take another card, or strike the line out.
        [contactless] Add --contactless, or strike the line out.
        [reader] Use the card with --virtual-card, or strike the line out.
       *[other] Correct the file; docs/card.md lists all keys.
    }
error-reader-port = The virtual reader cannot be reached at this address.
    .remedy = Install vsmartcard-vpcd, start pcscd, and check the address behind --vpcd.
error-session-forged = Line { $line } of the session is not right: { $what ->
        [step] this step of PACE does not fit the keys and the card access number (CAN) in the file
        [reader-token] the reader's proof does not fit the keys and the card access number (CAN) in the file
        [card-token] the card's proof is wrong
        [end] the session ends inside PACE
        [command] the command is not secured as it must be
       *[answer] the answer is not secured as it must be
    }. Nothing after it is to be believed.
    .remedy = Take a session that nobody changed; if that one is not right either, card or reader did not keep to the protocol.

## Diagnosis

doctor-step-service = Service for card readers
doctor-step-rights = Rights
doctor-step-driver = Driver
doctor-step-reader = Card reader
doctor-step-card = Card
doctor-step-card-type = Type of card
doctor-step-pin = PIN of the card
doctor-step-clock = Clock
doctor-step-network = Network
doctor-step-account = Account service
doctor-step-key-store = Key of this computer
doctor-step-session-store = Login
doctor-verdict-ok = ok
doctor-verdict-warning = note
doctor-verdict-failed = failed
doctor-verdict-skipped = not checked
doctor-service = It runs.
doctor-rights = This program may use the service.
doctor-driver = The service knows at least one reader.
doctor-reader = { $readers }.
doctor-card = It answers.
doctor-egk = Health card of generation { $generation }, valid.
doctor-contactless = Health card of generation { $generation } on a reader without contacts. It needs the card access number (CAN), six digits on the front of the card.
    .remedy = Give the access number with --can; only then can be seen whether the card is valid.
doctor-not-yet-valid = The health card is not valid yet.
    .remedy = Check the clock of this computer, or wait for the first day of its validity.
doctor-pin = { $tries } tries are left; none was spent to know that.
doctor-pin-few = { $tries ->
        [one] Only one try is left; none was spent to know that.
       *[other] Only { $tries } tries are left; none was spent to know that.
    }
    .remedy = Look it up in the PIN letter before you enter the PIN again. A right PIN gives all tries back; a blocked one is unblocked by the PUK.
doctor-pin-verified = Another program has entered the PIN, and the card is still open.
    .remedy = Take the card out and put it in again; it is closed then.
doctor-pin-transport = The card still has the transport PIN of the PIN letter.
    .remedy = Replace it by a PIN of your own: "kartenbund card pin change".
doctor-pin-empty = The card has no PIN yet.
    .remedy = Choose one: "kartenbund card pin change". If the card takes none, ask your insurer for a PIN.
doctor-clock = It agrees with that of the account service.
doctor-clock-past = It stands in the past.
    .remedy = { $os ->
        [windows] Have the clock set automatically, in Settings under "Time & language".
        [macos] Have the clock set automatically, in System Settings under "Date & Time".
       *[linux] Set the clock: "sudo timedatectl set-ntp true".
    }
doctor-clock-skew = { $seconds ->
        [one] It differs from that of the account service by one second.
       *[other] It differs from that of the account service by { $seconds } seconds.
    }
    .remedy = { $os ->
        [windows] Have the clock set automatically, in Settings under "Time & language".
        [macos] Have the clock set automatically, in System Settings under "Date & Time".
       *[linux] Set the clock: "sudo timedatectl set-ntp true".
    }
doctor-network = It reaches the account service.
doctor-account = It answers with the key of the first login, and you are logged in.
doctor-account-no-session = It answers with the key of the first login. You are not logged in at present.
doctor-key-store = It is there; the device PIN was not needed.
doctor-session-store = { $place ->
        [key_ring] Its keys are in the key ring of the desktop and can be read.
       *[file] Its keys are in a file that only your user can read.
    }
doctor-key-store-pending = A registration was sent, and the answer is still missing.
    .remedy = Complete it: "kartenbund register".
doctor-key-store-ends = It is there. The registration of this computer ends soon.
    .remedy = Renew it before with health card and device PIN: "kartenbund devices rebind".
doctor-skipped = { $why ->
        [image] A card image stands for reader and card.
        [unseen] The service cannot be seen from here.
        [service] That needs the service for card readers.
        [usb] What is plugged in cannot be seen here.
        [no-usb-reader] No card reader is to be seen at the USB ports.
        [driver] The service for card readers must know the reader first.
        [reader] That needs a card reader.
        [card] That needs a health card that answers.
        [card-type] That needs a health card that can be used.
        [can] That needs the card access number (--can).
        [clock] The clock of the account service is missing to compare it with.
        [no-account] There is no account service yet: nobody has logged in on this computer.
        [address] The address of the account service is not known.
        [stranger] Somebody answers at that address; whether it is the service cannot be seen.
        [proxy] A proxy stands between; what lies behind it cannot be seen from here.
        [network] That needs the network.
        [no-device] This computer is not registered.
        [no-session] Nobody has logged in here yet.
       *[other] There is nothing to check here.
    }
doctor-report-title = Diagnostic report of Kartenbund
doctor-report-private = It holds no names, numbers of the person or the card, PIN, certificates, folders or names of the computer.
## Steps

step-check-service = The service shows who it is
step-log-in = Logging in
step-set-password = The new password is set
step-ask-for-reset = Asking for a new password
step-wait-for-approval = A registered device has to approve
step-wait-for-new-device = It is the new computer's turn; the program must still run there
step-identify-card = Identifying the card
step-change-pin = The card takes the new PIN
step-unblock-pin = The card checks the PUK
step-read-card = Reading the card and checking its certificate
step-open-contactless = Protecting the line to the card with its access number
step-read-pin-status = Asking the card how many PIN tries are left
step-make-device-key = Making the key of this computer
step-open-registration = Opening the registration at the service
step-verify-pin = The card checks the PIN
step-fetch-challenge = Fetching and checking the service's challenge
step-card-signs = The card signs
step-code-signs = The key of the code signs
step-send-evidence = Sending the evidence
step-fetch-approval = Fetching and checking the application
step-open-device-key = Checking the device PIN
step-change-device-pin = Putting the new device PIN in place
step-wait-for-finger = Put a finger on the fingerprint reader
step-send-decision = Sending the decision and checking the receipt

wait-service = The service for card readers (PC/SC) has gone. Waiting until it runs again.
wait-reader = { $reader ->
        [none] Please connect a card reader.
       *[other] Please connect the card reader "{ $reader }".
    }
wait-card = { $reader ->
        [none] Please put the health card into the card reader, golden chip first.
       *[other] Please put the health card into the reader "{ $reader }", golden chip first.
    }
wait-mute = The card does not answer. Take it out, turn it over and put it in again.
wait-end = Ctrl+C cancels.

## Numbers that are mixed up

number-can = Card access number (CAN), 6 digits
      On the front of the health card, mostly at the top right. For readers without
      contacts only. No CAN on an old card: it cannot be used that way. Take a
      reader with a slot, or ask your insurer for a new card.
number-card-pin = PIN of the health card, 6 to 8 digits
      In the PIN letter of the insurer, or chosen by you; never on the card.
      No PIN letter: ask your insurer. It will check who you are, for example in an
      office, with PostIdent or with the identity card.
number-transport-pin = Transport PIN, 5 digits
      In some PIN letters. It is replaced once by a PIN of your own:
      kartenbund card pin change
number-puk = PUK, 8 digits
      In the PIN letter. It unblocks the PIN: kartenbund card pin unblock
      Lost: ask your insurer; some issue a new card then.
number-device-pin = Device PIN, 6 digits
      Chosen by you at "kartenbund register", for this computer only.
      Forgotten: kartenbund register --replace
number-insurance-number = Insurance number (KVNR), a capital letter and 9 digits
      On the front of the card; for logging in. It is no PIN.
number-card-number = Number of the card (ICCSN, "Kennnummer der Karte"), 20 digits
      On the back, begins with 80276. This program never asks for it.
number-payer-number = Number of the insurer (IK, "Kennnummer des Trägers"), 9 digits
      On the card, beside the name of the insurer. Never asked for.
looks-like-can = Six digits: so has the access number (CAN) on the front of the card, and the device PIN. More: "kartenbund help numbers".
looks-like-puk = Eight digits: so has the PUK of the PIN letter. More: "kartenbund help numbers".
looks-like-transport-pin = Five digits: so has the transport PIN; to choose one of your own: "kartenbund card pin change".
looks-like-card-number = Twenty digits: that is the number on the back of the card, which is not meant here. More: "kartenbund help numbers".
looks-like-payer-number = Nine digits: that is the number of the insurer, which is not meant here. More: "kartenbund help numbers".
looks-like-insurance-number = A letter and nine digits: that is the insurance number, which is not meant here. More: "kartenbund help numbers".

## Notices

notice-password-first = { $letter ->
        [yes] With that the password of the letter is used; it holds only once. Choose one of your own now.
       *[no] Choose a password of your own now; before that nothing else is possible.
    }
notice-wrong-card-pin = The card PIN was wrong. { $tries ->
        [one] One try is left.
       *[other] { $tries } tries are left.
    }
notice-same-wrong-pin = That is the same wrong PIN as before; it was not sent again.
notice-card-not-reset = It is done, but the card could not be reset afterwards. Take it out of the reader, so that its PIN does not stay verified.
notice-card-was-reset = Another program has reset the card; it starts over. A PIN is sent only if you type it once more.
notice-keypad-contactless = The reader has a keypad, but a card without contacts cannot be reached through it. Type the PIN on this computer.
notice-keypad-does-not-fit = The reader has a keypad, but it is not made for this. You type on this computer.
notice-keypad-length = Those were too few or too many digits. The card has seen none of them; no try was used.
notice-keypad-entries-differ = The two entries of the new PIN differed. The card has seen none of them; no try was used.
notice-approve-elsewhere = Now take your registered device, show the application "Another device" and approve it, until { $until }: "kartenbund approvals approve { $id }". Do not break off here.
notice-type-elsewhere = Type these digits on the registered device: { $string }
    Tell them to nobody, not on the telephone either.
notice-resumed = The last registration had arrived and was completed; the card is not needed.
notice-decision-had-arrived = The decision had arrived; its receipt is checked.
notice-old-device-locked = A device whose place this one takes is locked ("kartenbund devices" shows it), and not removed: that takes the health card, or a device that was registered as that one was, or with the card. "kartenbund login --card", then "kartenbund devices remove ID".
notice-old-device-not-in-use = A device whose place this one takes is not removed. It approves nothing any more, for its registration has expired ("kartenbund devices" shows it). To remove it: "kartenbund login --card", then "kartenbund devices remove ID".
notice-old-device-uncertain = The service has not confirmed that the device whose place this one takes is locked or removed: it may still approve. Look ("kartenbund devices"), and lock it if it is still active: "kartenbund devices lock ID".
notice-no-device-secret = There is no key ring here: the device file is protected by device PIN and service, and not by the key ring as well.
notice-key-in-tpm = The device key is in the TPM of this computer and does not leave it.
notice-tpm-not-allowed = This computer has a TPM that you may not use: the device key is in a file. Whoever may use the TPM is in the group "tss": "sudo usermod -aG tss $USER", log in anew, then "kartenbund register --replace".
notice-tpm-broken = The TPM of this computer does not answer as it should: the device key is in a file.
notice-finger-not-read = The finger could not be read. Put it on once more.
notice-finger-unknown = The computer does not know this finger. Try another one.
notice-pin-shared = The device file was one of an earlier version, in which the device PIN was checked on this computer alone. From now on the service counts: five wrong entries are the end. Whoever copied the file before can still guess in the copy; if you fear that: "kartenbund register --replace".
notice-wrong-device-pins = { $tries ->
    [one] Since you last entered the device PIN rightly, it was wrong once.
   *[other] Since you last entered the device PIN rightly, it was wrong { $tries } times.
} If it was not you, change it: "kartenbund devices change-pin".
notice-many-wrong-device-pins = Since the registration the device PIN was wrong { $tries } times. Somebody may have copied the device file: change the device PIN ("kartenbund devices change-pin"), and a copy is worthless. After 50 wrong entries the device has to be registered anew.
notice-clock-skew = The clock of this computer differs from the service's by { $seconds } seconds. Set it when you can.

## Questions

keypad-pin = Please type the PIN of the health card on the card reader now, not on this keyboard ({ $tries ->
        [one] last try
       *[other] { $tries } tries left
    }). You can cancel on the reader.
keypad-new-pin = Please type on the card reader, not on this keyboard, the present PIN of the health card ({ $tries ->
        [one] last try
       *[other] { $tries } tries left
    }), then twice a new one of 6 to 8 digits. You can cancel on the reader.
keypad-puk = Please type the PUK (8 digits) on the card reader now, not on this keyboard. It can be used ten times at most; every entry counts, also a right one. You can cancel on the reader.
ask-revocation-code-what = The revocation code stands on the printout: four groups of five characters. It locks all devices and ends all sessions.
ask-revocation-code = Revocation code:
ask-letter-code-what = The code stands below the QR code, in the letter from your insurer or on your other computer: nine groups of five characters.
    Capital and small letters are the same. You can enter one group, or several at once.
ask-letter-code = From group { $next } of { $of } on:
ask-can-where = On this reader the card needs its card access number (CAN):
    six digits on the front of the card, mostly top right; not the PIN.
    No CAN? Take a reader with a slot, or ask your insurer for a new card.
ask-can-again = That is not the access number of this card. It is neither the PIN nor the insurance number; try again, nothing gets blocked.
ask-can = Card access number (6 digits):
ask-card-pin-what = This is the PIN of the PIN letter, or your own; not the CAN on the front of the
    card, not the PUK, not the device PIN of this computer. No PIN? Your insurer
    checks who you are (at its office or with PostIdent), and sends it.
ask-card-pin = PIN of the health card (6 to 8 digits, { $tries ->
        [one] last try
       *[other] { $tries } tries left
    }):
ask-last-try = Only one try is left. If the PIN is wrong again it is blocked, and you need the PUK.
    Enter it all the same? [y/N]
ask-maybe-last-try = The card does not tell how many tries the transport PIN has left; this one may be the last.
    Enter it all the same? [y/N]
ask-yes = y
ask-transport-pin-what = The transport PIN is in the PIN letter and holds until you choose your own:
    five digits; not the CAN (six), not the PUK (eight).
ask-transport-pin = Transport PIN from the PIN letter (5 digits):
ask-new-card-pin-what = Choose a PIN for the card that nobody guesses: not the CAN, no date of birth.
    It holds wherever the PIN of this card is asked for.
ask-new-card-pin = New PIN for the health card (6 to 8 digits):
ask-repeat-card-pin = New PIN of the health card once more:
ask-puk-what = The PUK is in the PIN letter: eight digits; not the PIN, not the CAN.
    It can be used ten times at most; every entry counts, also a right one.
    No PUK? Ask your insurer for a PIN letter or a new card.
ask-puk = PUK (8 digits):
ask-new-device-pin-what = You make up the device PIN now; it holds on this computer only.
    Do not take the PIN of the card, nor the CAN.
ask-new-device-pin = New device PIN for this computer (exactly 6 digits):
ask-repeat-device-pin = Device PIN once more:
ask-device-pin-what = These are the six digits you chose for this computer at "kartenbund register";
    not the PIN of the card, not the CAN.
    Forgotten? "kartenbund register --replace" with the health card.
ask-device-pin = Device PIN (6 digits):
ask-password = Password:
ask-old-password = Present password:
ask-new-password-what = You make up the password yourself, for example four words that have nothing
    to do with one another. It may be long and pasted.
    From then on it holds everywhere: here and on the insurer's web site.
ask-new-password = New password:
ask-repeat-password = New password once more:
ask-passwords-differ = The two entries differ; type the new password once more.
ask-short-string = Digits that the new computer shows (8 digits):
ask-short-string-wrong = These are other digits. Whoever types them wrongly three times denies. If you read them rightly, somebody stands between the devices: break off and call your insurer.
ask-match-code = Match code (2 digits, shown where the application was submitted):

## Output

label-technical = Technical
label-next = Next
label-code = Code
label-person = Person
label-insurance = Insurance
label-card = Card
label-certificate = Certificate
label-warning = Warning
label-name = Name
label-kvnr = Insurance number
label-date-of-birth = Date of birth
label-sex = Sex
label-address = Address
label-payer = Insurer
label-valid = Valid
label-issuer = Issuer
label-serial = Serial number
label-iccsn = Card number
label-generation = Generation
label-insured-type = Kind of insurance
label-since = Since
word-from = not before
word-since = since
label-until = Until
label-old = before
label-new = new
label-account = Account
label-asked = Asked for
label-expires = valid until
label-state = State
label-level = Level

sex-m = male
sex-w = female
sex-x = undetermined
sex-d = diverse
insured-type-1 = member
insured-type-3 = family member
insured-type-5 = pensioner

warning-certificate-expired = The certificate of the card has expired.
warning-certificate-not-yet-valid = The certificate of the card is not valid yet.
warning-kvnr-check-digit = The check digit of the insurance number in the certificate is wrong.

slot-empty = no card
slot-mute = card does not answer (turn it over)
slot-in-use = used by another program
slot-other-card = another card
slot-hba = health professional's card
slot-smc-b = card of a practice or institution
slot-egk = health card { $generation }
slot-contactless = health card { $generation }, without contacts
slot-old = health card, too old
slot-error = card cannot be identified
readers-none = No card reader is connected.

kind-address-change = New address
kind-bank-change = New bank account
kind-contact-change = New e-mail address for notices
kind-web-login = Login on the website
kind-password-reset = New password without the old one
kind-card-order = New health card
kind-device-add = Another device
row-street = Street
row-house-number = House number
row-supplement = Supplement
row-postal-code = Postal code
row-city = Town
row-country = Country
row-iban = IBAN
row-account-holder = Account holder
row-email = E-mail
row-insurer = Insurer
row-website = Website
row-browser = Browser
row-network = Network it comes from
row-reason = Reason
row-device-name = Device
row-unchanged = unchanged
card-reason-lost = lost
card-reason-stolen = stolen
card-reason-broken = does not work
card-reason-name-changed = new name
card-goes-to = The card is sent to this address:
device-add-means = With this device applications can be approved in your name afterwards.
device-add-when = Approve only if you are registering it yourself just now. Otherwise deny.
device-add-digits = Read the digits yourself from the computer in front of you. If somebody tells them to you, on the telephone for example, deny: the device is theirs.
row-none = –
decide-approve = You approve:
decide-deny = You deny:
decide-not-me = You report that this application is not yours:
not-me-means = The application is denied, all other open applications are cancelled, all other sessions end, and your password does not hold any more. Your other devices are locked; this one stays, and unlocks them again if it was registered with the card.
web-login-means = Whoever approves logs in the browser that shows the match code now.
web-login-code = Approve only if you are there yourself and read the code in your own browser; nobody of your insurer ever tells you one.
not-me-means-reset = The application is denied, all other open applications are cancelled and all other sessions end. Your password still holds; for a day no stranger can ask your devices for a new one or for a login.
choice-approve = Approve: kartenbund approvals approve { $id }
choice-deny = Deny: kartenbund approvals deny { $id }
choice-not-me = That was not me: kartenbund approvals not-me { $id }
reset-means = Whoever asked for this may choose a new password for your account, and is logged in by it.
reset-when = Approve only if you asked for it yourself just now and see the code on your own screen. Otherwise deny: your password then stays as it is.
reset-nobody = Nobody from your insurer ever asks you to approve this, and nobody tells you a code for it on the phone.

state-pending = open
state-approved = approved
state-denied = denied
state-expired = expired
state-cancelled = cancelled
state-superseded = replaced by a newer one
state-queued = approved, is executed on { $at }
state-executed = executed
state-failed = failed
state-pending_wait = waiting
state-active = active
state-locked = locked
key-class-hwk = key in hardware, attested by a TPM
key-class-swk = key not shown to be in hardware
key-in-file = key in a file
key-in-tpm = key in the TPM
device-until = valid until { $until }
device-used = last used { $at }
device-never-used = never used yet
state-revoked = removed

done-login = Logged in at { $insurer }.
insurer-hotline = The insurer's telephone number: { $hotline }
session-place = { $place ->
        [key_ring] The keys of the login are in the key ring of the desktop.
       *[file] The keys of the login are in a file that only your user can read; no key ring is used.
    }
session-left-behind = Keys of an earlier login may still be in the key ring of the desktop; it could not be opened. The next login removes them.
accounts-none = Nobody has logged in on this computer yet.
account-line = { $account }: { $insurer }; { $place ->
        [key_ring] keys of the login in the key ring
        [file] keys of the login in a file
       *[none] no keys of a login
    }; { $device ->
        [registered] this computer is registered
       *[none] this computer is not registered
    }
done-password-first = Your own password holds from now on; the one of the letter can be thrown away.
done-password = Your new password holds from now on. All other logins are ended; registered devices stay.
login-by-card = You can choose a new password now, without the old one: "kartenbund password change".
login-by-device = Without password, with this device: the login lasts longer than one with a password. To end it: "kartenbund logout".
reset-asked = Approve it on your registered device now: "kartenbund approvals". The match code is { $code }; there is time until { $until }. This program waits.
done-reset-letter = If there is an account of this insurance number, a letter with an initial password comes to the address your insurer has. The present password holds until you choose a new one.
done-sessions-ended = { $count ->
        [0] There were no other logins.
        [one] One login is ended.
       *[other] { $count } logins are ended.
    }
done-logout-everywhere = { $count ->
        [0] Logged out; there were no other logins.
        [one] Logged out, here and from one other login.
       *[other] Logged out, here and from { $count } other logins.
    }
session-unnamed = A program without a name
session-through = through:
origin-through = Submitted through
origin-with = Submitted with: "{ $name }" (what the program calls itself)
origin-unnamed = Submitted with a program that does not say its name
this-session = this login
session-method-password = with password
session-method-initial-password = with the password of the letter
session-method-card = with the health card
session-method-device = with a registered device and its PIN
session-method-device-approval = approved on a registered device
session-method-identity-provider = by an identification
session-method-reset = after a forgotten password
label-last-used = last used
done-logout = Logged out.
done-register = This computer is registered: "{ $name }", level { $level }.
done-rebind = The registration of this computer is renewed: "{ $name }", level { $level }, valid until { $until }.
rebind-soon = The registration of this computer ends on { $until }. Renew it before with health card and device PIN: "kartenbund devices rebind".
rebind-late = The registration of this computer has expired on { $until }. Renew it with health card and device PIN: "kartenbund devices rebind".
done-register-waits = It can approve from { $at } on at the earliest, as soon as the letter is printed, too, that tells of it: so whoever has caught your code can do nothing before you notice.
screen-code-groups = Code:
screen-code-how = It holds once, until { $until }, and only as long as this computer stays logged in.
    On the other computer: "kartenbund login --service { $service }" with your password, then
    "kartenbund register --method qr" and type the groups.
screen-code-photo = Or with a photo of the picture: "kartenbund register --image FILE".
screen-code-narrow = This window is too narrow for the picture that can be photographed. Make it wider and show a new code, or type the groups.
screen-code-warning = Show and tell the code to nobody: whoever has it and your password registers a device in your account. Your insurer never asks for it.
done-letter-ordered = The letter with the code is ordered. It goes to the address your insurer has of you.
done-letter-ordered-before = The letter with the code was ordered before, and is printed with the next letters.
done-fingerprint-on = On this computer approvals are shown after a fingerprint only. Approving takes the device PIN as before.
done-fingerprint-off = On this computer approvals are shown without a fingerprint again.
done-device-pin-changed = The device PIN is changed. Copies of the device file from before are worthless.
done-pin-changed = The PIN of the health card is changed.
done-pin-not-blocked = The PIN of the health card still has all its tries; there is nothing to unblock. The PUK was not used.
done-pin-unblocked = The PIN of the health card is unblocked.
pin-status-usable = { $tries ->
        [one] The PIN can be entered; one try is left.
       *[other] The PIN can be entered; { $tries } tries are left.
    }
pin-status-blocked = The PIN is blocked. Unblock it: kartenbund card pin unblock
pin-status-verified = The PIN is verified on this card at present, but not by this command.
pin-status-transport-pin = The card still has the transport PIN of the PIN letter. Choose your own: kartenbund card pin change
pin-status-empty-pin = The card has no PIN yet. Choose one: kartenbund card pin change
pin-status-disabled = The PIN of this card is switched off.
card-genuine = { $kind ->
        [test] The chip is the one of its certificate, under the test root { $root }. Test cards are no genuine health cards.
       *[other] The chip is genuine, under the root { $root }.
    }
    Card number { $iccsn }, CA { $authority }.
card-genuine-honest = That does not show whose card it is, nor who holds it, nor that it was not blocked. Not yet confirmed with a real card.
done-device-renamed = The device has a new name.
done-device-locked = The device is locked. It can be unlocked after a login with the health card, or at another device that was registered with it.
done-devices-locked = All devices are locked. They can be unlocked after a login with the health card.
done-device-unlocked = The device is unlocked.
done-device-unlocked-waits = The device is unlocked. It cannot approve yet: its waiting time goes on.
done-revocation-code = Your revocation code:
done-revocation-code-how = Print it or write it down, and do not keep it with the computer. It is not shown again. With it you lock everything, without login and from any computer: "kartenbund emergency --service { $service }".
done-revocation-page = The page with the revocation code is in { $path }. Print it, and delete the file then.
revocation-page = REVOCATION CODE OF YOUR ACCOUNT

    Insurer:         { $insurer }
    Made:            { $day }

    Your revocation code:
revocation-page-below = What it is for
    If your computer is gone, or somebody is in your account, you lock all devices
    and end all sessions with it. That can be done from any computer with
    Kartenbund, without login and without the health card:

        kartenbund emergency --service { $service }

    { $hotline ->
        [none] Or call your insurer.
       *[other] Or call your insurer: { $hotline }
    }

    Do not keep this sheet with the computer. The code holds once, and until you
    make a new one.
done-emergency = The revocation code is sent. If it is yours, all devices are locked now and all sessions have ended; the code is used up.
done-device-removed = The device is removed.
done-device-locked-first = The device is locked from now on. As soon as the health card has registered this computer, it is removed.
done-device-not-in-use = The device approves nothing any more: its registration has expired. As soon as the health card has registered this computer, it is removed.
done-device-gone = The device had been removed before.
devices-none = No device is registered.
this-computer = this computer
approvals-none = There are no applications.
watch-begins = New applications are shown as soon as they are there. Ctrl+C ends.
watch-lost = The connection to the service is gone; it is made again by itself.
watch-back = The connection to the service is there again.
notices-to = Notices go to { $email }. To change it: kartenbund apply contact --email ADDRESS
notices-no-email = Your insurer has no e-mail address of yours; what matters comes by post. To give one: kartenbund apply contact --email ADDRESS
notices-language-de = Language: German
notices-language-en = Language: English
notices-always = always
notices-on = on
notices-off = off
notices-kind = { $kind ->
        [device_added] New device, with card PIN
        [device_added_without_pin] New device, without card PIN
        [device_added_by_screen] New device, with a code from a screen
        [device_rebound] Registration of a device renewed
        [device_revoked] Device removed
        [pin_wrong] Device PIN wrong three times
        [pin_unconfirmed] Many wrong device PINs
        [pin_used_up] Device removed because the device PIN was wrong too often
        [approval_waiting] An application waits for approval
        [password_reset_waiting] A new password waits for approval
        [account_opened_by_card] Account opened with the health card
        [match_code_denied] Application denied because the match code was wrong
        [not_me] Application reported as not yours
        [address_changed] Address changed
        [bank_change_queued] New bank account approved
        [bank_change_cancelled] New bank account cancelled
        [card_ordered] New health card ordered
        [bank_changed] Bank account changed
        [contact_changed] E-mail address changed
        [login_from_new_client] Login with a new program
        [session_reused] Login ended because two have used it
        [cards_revoked] Health card revoked
        [password_set] Password chosen
        [password_changed] New password
        [password_voided] Password reported stolen
        [letter_ordered] Letter with an initial password ordered
        [account_suspended] Account suspended
        [account_resumed] Account open again
        [account_closed] Account closed
        [account_reopened] Account open again after the insurance had ended
       *[other] { $kind }
    }
done-apply = The application waits for approval.
done-apply-match-code = Match code: { $code }
done-apply-next = Approve: kartenbund approvals approve { $id }
done-cancel = The application is cancelled.
done-approve = Approved. State: { $state }.
done-deny = Denied.
done-not-me = Denied. All other sessions have ended, open applications are cancelled, and your password does not hold any more. Choose a new one, with the health card, a registered device or a letter. If "kartenbund approvals" shows something approved that you do not want, cancel it.
done-not-me-reset = Denied. All other sessions have ended and open applications are cancelled. Your password still holds; for a day no stranger can ask your devices for a new one or for a login.
done-record = Recorded: { $path }
done-compared = The card answers every command of the session as it did then.
done-replay = The session was played to its last line.
explain-plain = open
explain-pace = PACE
explain-secured = secured
explain-unreadable = encrypted
explain-unknown = unknown command
explain-no-answer = no answer
explain-no-keys = A part is encrypted, and the file does not hold the keys.
explain-bytes = { $count ->
        [one] one byte
       *[other] { $count } bytes
    }
status-ok = done
status-corrupt = read, but the checksum is wrong
status-end = read to the end of the file
status-deactivated = selected, but switched off
status-transport-pin = the transport PIN has to be replaced first
status-empty-pin = no PIN has been set yet
status-pin-disabled = the PIN is switched off
status-authentication = the card does not accept the proof
status-length = wrong length
status-not-allowed = not allowed while PIN or PACE are missing
status-blocked = blocked
status-conditions = not possible now
status-no-file = not there
status-no-key = no such key and no such PIN
status-offset = behind the end of the file
status-unsupported = the card does not know the command
status-other = something else
status-tries = { $tries ->
        [0] no try left
        [one] one try left
       *[other] { $tries } tries left
    }
done-doctor = { $seen ->
        [warnings] Nothing broken was found; heed the notes.
        [part] As far as was checked, nothing hinders you.
       *[all] Nothing found that hinders you.
    }
done-doctor-report = Report written: { $path }. Read it before you pass it on.
done-evidence-export = Evidence written: { $path }
evidence-omitted = { $count ->
        [one] One older decision does not fit into the file; export its evidence by itself.
       *[other] { $count } older decisions do not fit into the file; export their evidence one by one.
    }
done-virtual-card = Card image written: { $path } (PIN { $pin }, CAN { $can })
virtual-card-running = The card is in the virtual reader { $address }. Stop with Ctrl+C.

link-trust-list = The whole, unchanged trust list that names the card's issuer
link-certificate = The card's certificate is by a known issuer and was valid
link-revocation = The issuer of the card has confirmed that it was not revoked when it bound the device
link-card-signature = The card signed the key of the device
link-code-signature = The key of a code signed the key of the device
link-chip-signature = The chip of a health card signed the key of the device
link-device-addition = A device that the card has bound approved the key of the device
link-device-possession = The device proved that it has the key
link-binding-receipt = The service took the binding
link-binding-audit = The service's audit tells of the binding at its place
link-document = The document is unchanged and of the same person
link-decision = The device signed the decision
link-decision-receipt = The service took the decision
link-decision-audit = The service's audit tells of the decision at its place
rests-on-card-issuer = rests on the signature of the card's issuer; when, is the service's word
rests-on-trust-list-signer = rests on the signature of the trust list; when, is the service's word
rests-on-ocsp-responder = rests on the signature of the OCSP responder; when, is the service's word
rests-on-chip-root = rests on the root that vouches for the chip, and on its signature; whose card it is, is the service's word
rests-on-card = rests on the signature of the health card
rests-on-device = rests on the signature of the device
rests-on-service = rests on the word of the service
rests-on-service-unpinned = rests on the word of the service, whose key stands in the evidence alone
result-holds = holds
result-fails = DOES NOT HOLD
result-not-checked = not checked
result-absent = not included
evidence-of-device = Device { $id }:
evidence-of-approval = Approval { $id }:
evidence-person = The card of { $kvnr } bound the device on { $at } (level { $level }).
evidence-person-by-word = The device was bound to the account of { $kvnr } on { $at }, without the card PIN (level { $level }).
evidence-code-shown = { $by ->
        [card] The code stood on a screen, where somebody had logged in with health card and card PIN; so says the service.
       *[device] The code stood on a screen, where somebody had logged in with a registered device; so says the service.
    }
evidence-approved = The device approved on { $at }:
evidence-denied = The device denied on { $at }:
evidence-stands = Binding and decisions stand on the signatures of card and device; the service need not be believed for them.
evidence-stands-on-word = That a device of level B1 or B2 is this person's is to be believed of the service: it alone knew whom it sent the letter to, or who had logged in where a code was shown. The decisions themselves were signed by the device.
evidence-not-me = The device denied on { $at }, because the application was not the person's:
evidence-honest = Not checked: whether the card was revoked, and whether the device key fell into wrong hands. Times are the service's word.
evidence-honest-after-ocsp = Not checked: whether the device key fell into wrong hands, and whether the card was revoked later. Times are the service's word.

## Events of the account (kartenbund events)

events-none = Nothing has happened yet.
by-owner = in your name
by-stranger = by somebody who has not shown who they are
by-operator = by your insurer
by-service = by the service itself
event-account-imported = Account made
event-account-updated = Data changed by the register of members
event-account-letter-ordered = Letter with an initial password ordered
event-account-initial-password-used = Initial password used
event-account-identified = Person identified by an identity provider
event-account-opened-by-card = Account opened with card and card PIN
event-account-password-set = Password set
event-account-password-not-set = New password refused
event-account-password-rehashed = Password kept more safely, without a change for you
event-account-reset-ordered = New password on its way
event-account-password-stolen = Password reported stolen; it does not hold any more
event-account-suspended = Account suspended
event-account-resumed = Account opened again
event-account-closed = Account closed, the membership has ended
event-account-readmitted = In the register of members again; the account can be opened anew
event-account-reopened = Account open again, the membership goes on
event-account-revocation-code-made = New revocation code
event-account-revocation-code-used = Everything locked with the revocation code
event-account-cards-revoked = Health cards revoked
event-account-sessions-ended = All logins ended
event-session-opened = Logged in
event-session-refused = Login refused
event-session-closed = Logged out
event-session-ended = A login ended from elsewhere
event-session-reused = Login ended because two have used it
event-registration-opened = Registration of a device begun
event-registration-challenged = Card and device asked for their signatures
event-registration-refused = Registration of a device refused
event-device-bound = Device registered
event-device-rebound = Registration of a device renewed with the card
event-device-activated = Waiting time of a device over; it may approve
event-device-renamed = Device renamed
event-device-locked = Device locked
event-device-unlocked = Device unlocked
event-device-waits-again = Device unlocked; it goes on waiting
event-device-expired = Registration of a device expired
event-device-revoked = Device removed
event-registration-nonce-given = A registered device has begun to check a new one
event-registration-nonce-shown = The new device shows the digits to compare
event-registration-attestation-asked = TPM of a new device asked to show itself
event-registration-pin-evaluated = Device PIN of a new device set
event-device-pin-evaluated = Device PIN tried
event-device-pin-confirmed = Device PIN right
event-device-pin-share-made = Change of a device PIN begun
event-device-pin-changed = Device PIN changed
event-device-pin-used-up = Device removed because the device PIN was wrong too often
event-device-code-ordered = Letter with a code for a device ordered
event-device-code-shown = Code for a device shown on a screen
event-device-code-superseded = Code on a screen replaced by a newer one
event-device-code-failed = Wrong code for a device
event-device-code-voided = Code for a device void: wrong too often
event-application-submitted = Application submitted
event-application-approved = Application approved
event-application-denied = Application denied
event-application-superseded = Application replaced by a newer one
event-application-not-me = Application reported as not yours, and denied
event-application-match-code-wrong = Wrong match code
event-application-expired = Application expired
event-application-cancelled = Application cancelled
event-application-executed = Application executed
event-application-failed = Application failed
event-letter-created = Letter made
event-letter-cancelled = Letter cancelled
event-letter-failed = Letter cannot be printed
event-notifications-set = Settings of notices changed
event-notice-failed = Notice cannot be delivered
event-service-key-announced = The service's next key announced
event-service-key-activated = The service's new key taken into use
event-service-key-retired = The service's former key out of use
event-service-key-revoked = Key of the service revoked: somebody may have stolen it
event-trust-list-taken = Trust list with the issuers of cards taken
event-web-login-asked = Login on the website put to the devices
event-web-login-taken = Approved login on the website begun
event-web-login-voided = Login on the website that was asked for is void
event-password-reset-asked = New password asked for without the old one
event-password-reset-voided = New password that was asked for is void
event-password-reset-taken = New password chosen without the old one

## Demonstration

demo-title = Kartenbund: from the health card to the approved application
demo-card = A fictional person gets a health card: { $name }, { $kvnr }
demo-pcsc = The card goes into the virtual reader of the PC/SC service: { $reader }
demo-service = The account service starts with an empty database: { $address }
demo-import = The account comes from the register of the insurer
demo-letter = The letter with the initial password waits for the print service: { $path }
demo-login = Login with insurance number and password
demo-password = The initial password holds only once: she chooses one of her own
demo-register = Registration of this computer with card and card PIN
demo-registered = Registered: level { $level }, since the card itself signed the device key
demo-apply = An application for a new address is submitted; match code { $code }
demo-approve = Approval on the device, with match code and device PIN
demo-approved = Approved and executed; the service's receipt is checked
demo-evidence = The evidence is exported and verified without network and service
demo-tampered = A forgery (another house number) is recognised: { $link }
demo-done = Everything worked, in { $seconds }.{ $tenths } seconds.
demo-files = The files are in { $path }
demo-again = Check it yourself: { $command }

ask-kvnr-what = It is on the front of the card: a capital letter and nine digits.
    Not the CAN (six digits), not the number of the insurer (nine).
ask-kvnr = Insurance number (one capital letter and nine digits):

## Help

help-usage = Usage
help-commands = Commands
help-command = COMMAND
help-options = Options
help-optional = [OPTIONS]
help-default = [default:{" "}
help-possible = [possible:{" "}
arg-help = This help
arg-version = Version of the program
arg-json = Result as JSON, for scripts
arg-lang = Language: de or en
arg-everywhere = End all other logins, too
arg-others = All logins but this one
arg-account = Whose account, where several persons use this computer; a name you choose
arg-no-key-ring = Do not use the key ring of the desktop
arg-no-tpm = Do not use the TPM of the computer for new device keys
arg-tcti = Which TPM, as the TPM2 software stack writes it; else device:/dev/tpmrm0
arg-home = Folder for the files of this computer
arg-reader = Name of the card reader, as "kartenbund readers" shows it
arg-virtual-card = Card image in place of a reader
arg-can = Card access number on the front of the card, for readers without contacts
arg-contactless = Use the card image as if the card lay on a reader without contacts
arg-scenario = State of the card and ways of the reader (docs/card.md)
arg-short-apdus = Send short commands to the card only
arg-wait = Wait for reader and card at most so many seconds; 0: not at all. Otherwise the program waits in a terminal only
arg-watch = Wait, and show each new application at once, like "approvals watch"
arg-report = Write a report to pass on into this new file, without anything personal
arg-out = File to write
arg-explain = Show the session, command by command, decrypted and checked
arg-file = File to read
arg-card-image = Card image (XML)
arg-vpcd = Address of the virtual reader
arg-kvnr = Insurance number: one capital letter and nine digits
arg-name = Name
arg-birth-date = Date of birth
arg-sex = Sex: M, W, X or D
arg-payer-ik = Number of the insurer (IK, nine digits)
arg-payer-name = Name of the insurer
arg-rsa = Old card of generation 2, with RSA keys only
arg-iccsn = Card number (20 digits)
arg-not-before = First day of the certificate
arg-not-after = Last day of the certificate
arg-service = Address of the service: https://…
arg-device = With a registered device and its PIN, without password
arg-card = With the health card and its PIN
arg-letter = Order a letter with an initial password
arg-password-fd = Read passwords from this file descriptor, one in each line, in the order they are asked for
arg-pin-fd = Read PINs from this file descriptor, one in a line
arg-no-picture = Show the groups to type only, and no picture
arg-no-keypad = Type PINs on this computer although the card reader has a keypad
arg-method = How the device is bound
arg-image = Read the code from a picture, PNG or JPEG: a photo, a scan or a screenshot
arg-clipboard = Read the code from a picture or text in the clipboard
arg-code-fd = Read the code from this file descriptor, in one line
arg-order-letter = Only order a letter with a code
arg-device-name = What this computer is to be called in the list of devices
arg-keep-pin = Keep the PIN there is, and only give it all its tries again
arg-replace = Register anew although this computer is registered; with an ID from "kartenbund devices": in the place of that device
arg-lost = Device (ID from "kartenbund devices") that is lost: it is removed at once, or, with the password alone, locked at once and removed by the card
arg-allow-last-try = Use the last try of the card PIN, too
arg-id = Identifier as the list shows it
arg-whole-account = Everything about this account: each device and each decision
arg-limit = Show so many of the newest events
arg-street = Street
arg-house-number = House number
arg-postal-code = Postal code
arg-city = Town
arg-country = Country, as on number plates
arg-supplement = Supplement to the address
arg-iban = IBAN
arg-account-holder = Account holder
arg-email = E-mail address that notices go to
arg-reason = Why: lost, stolen, broken, new name
arg-language = Language of the notices: de or en
arg-on = Send these notices again; more than one possible
arg-off = Send these notices no longer; more than one possible
arg-match-code = Match code that was shown when the application was submitted
arg-cvc-root = Certificate of a root that vouches for chips (CVC); more than one possible
arg-tsl-anchor = Certificate of the CA that issued the one of the trust list's (TSL) signer (PEM); without it, the list rests on the service
arg-chip-root = Certificate of a root that vouches for chips (CVC); without it, whether the chip is genuine rests on the service; more than one possible
arg-ocsp-responder = Certificate of the responder that knows revoked cards (OCSP, PEM); without it, what it said rests on the service
arg-anchor = Certificate of the CA that issued the card (PEM); more than one possible
arg-service-key = Public keys of the service (JWK or JWK Set; may be repeated)
arg-service-fingerprint = Fingerprint of the service's key as the insurer tells it: the login is with this one alone, whichever held until now
arg-dir = Folder for the files of the demonstration
arg-pcsc = Through the real PC/SC service and a virtual reader
cmd = Binds this computer to your health-insurance account with the health card
cmd-readers = Card readers and what is in them
cmd-read = Read the health card, without PIN
cmd-record = Like read, and record the commands to the card as a file
cmd-doctor = Checks service, rights, driver, reader, card, clock, network and account service, and says what helps
cmd-replay = Play a recorded session; with --reader or --virtual-card: send its commands to that card and compare the answers
cmd-virtual-card = A health card in software
cmd-virtual-card-new = Make a fictional card
cmd-virtual-card-run = Put a card into the virtual reader of the PC/SC service
cmd-card = The health card itself
cmd-card-pin = The PIN of the health card
cmd-card-pin-status = Shows whether it can be entered, and how many tries are left
cmd-card-pin-change = Choose a new PIN, with the old one or the transport PIN
cmd-card-pin-unblock = Unblock it with the PUK
cmd-card-genuine = Shows whether the chip is genuine, without PIN; not whose card it is
cmd-login = Log in
cmd-password = The password of your account
cmd-password-change = Choose a new password
cmd-password-reset = Replace a forgotten password: with the health card, with a registered device, or by a letter
cmd-sessions = Logins to your account, here and elsewhere
cmd-sessions-list = Show all logins
cmd-sessions-end = End a login, or with --others all the others
cmd-accounts = Accounts on this computer
cmd-logout = Log out
cmd-register = Register this computer
cmd-devices = Registered devices
cmd-devices-list = Show all devices
cmd-devices-remove = Remove a device for good
cmd-devices-rename = Give a device another name
cmd-devices-lock = Lock a device
cmd-devices-lock-all = Lock all devices
cmd-devices-unlock = Unlock a device (right after "kartenbund login --card")
cmd-devices-revocation-code = Make and show a new revocation code
cmd-emergency = Lock everything, with the revocation code and without login
cmd-devices-fingerprint = Show approvals after a fingerprint only
cmd-devices-fingerprint-on = Turn it on
cmd-devices-fingerprint-off = Turn it off; takes the device PIN
cmd-devices-code = Show a code with which another computer is registered; takes the device PIN or --card
cmd-devices-rebind = Renew the registration of this computer with the health card; device and device PIN stay
cmd-devices-change-pin = Change the device PIN of this computer
cmd-apply = Submit a protected application
cmd-apply-address = New address
cmd-apply-bank = New bank account
cmd-apply-contact = New e-mail address for notices
cmd-apply-card = New health card
cmd-apply-cancel = Cancel an application
cmd-approvals = Applications and approvals
cmd-approvals-list = Show all applications
cmd-approvals-watch = Wait, and show each new application at once, until Ctrl+C
cmd-approvals-show = Show one application
cmd-approvals-approve = Approve
cmd-approvals-deny = Deny
cmd-approvals-not-me = "That was not me": deny, end other sessions, make the password void
cmd-help = Explanations
cmd-help-numbers = Tell CAN, card PIN, PUK, device PIN and other numbers apart, and what helps without one
cmd-notices = Notices about your account
cmd-notices-show = Show which notices go where
cmd-notices-settings = Choose the language, switch notices on and off
cmd-events = What happened in your account
cmd-evidence = Evidence
cmd-evidence-export = Export evidence as a file
cmd-evidence-verify = Verify evidence, without network and without service
cmd-demo = Show everything once, with a fictional person
