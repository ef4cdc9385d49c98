## Fehler: was geschah (ein Satz), was zu tun ist (ein Satz).

error-internal = Im Programm ist ein Fehler aufgetreten.
    .remedy = Versuchen Sie es noch einmal; bleibt es dabei, melden Sie den Fehler mit der Zeile „Technisch“.
error-usage = Der Aufruf ist nicht vollständig oder passt nicht zusammen.
    .remedy = „kartenbund --help“ zeigt alle Befehle und Angaben.
error-cancelled = Abgebrochen.
    .remedy = Starten Sie den Befehl neu, wenn Sie weitermachen möchten.
error-nobody-there = Das Programm müsste etwas fragen, aber es gibt kein Terminal.
    .remedy = Starten Sie es in einem Terminal, oder geben Sie PIN, Passwort und Zugangsnummer mit --pin-fd, --password-fd und --can an.
error-input-invalid = { $input ->
        [kvnr_small_letter] Der Buchstabe der Versichertennummer ist klein geschrieben.
        [kvnr_trailing_part] Hinter der Versichertennummer steht noch etwas.
        [kvnr_check_digit] In der Versichertennummer ist eine Ziffer falsch.
        [kvnr_shape] Das ist keine Versichertennummer.
        [not_digits] Hier sind nur Ziffern möglich.
        [device_pin_length] Die Geräte-PIN hat genau sechs Ziffern.
        [card_pin_length] Die Karten-PIN hat sechs bis acht Ziffern.
        [can_shape] Die Zugangsnummer (CAN) hat sechs Ziffern.
        [transport_pin_length] Die Transport-PIN hat fünf Ziffern.
        [puk_length] Die PUK hat acht Ziffern.
        [keypad_length] Am Kartenleser wurden zu wenige oder zu viele Ziffern eingegeben; die Karte hat nichts davon gesehen.
        [entries_differ] Die beiden Eingaben der neuen PIN sind verschieden.
        [short_string] Der neue Computer zeigt acht Ziffern.
        [match_code] Der Vergleichscode hat zwei Ziffern.
        [card_name] Der Name besteht aus Vor- und Nachnamen.
        [payer_ik] Die Nummer der Krankenkasse hat neun Ziffern.
        [date] Ein Datum wird als JJJJ-MM-TT geschrieben.
        [descriptor] Unter der Nummer hinter --pin-fd oder --password-fd gibt es nichts zu lesen.
        [device_name] Der Name des Geräts ist leer, zu lang oder enthält unsichtbare Zeichen.
        [too_long] Was auf dem Dateideskriptor steht, ist länger, als eine Eingabe sein kann.
        [account_name] Der Name eines Kontos besteht aus höchstens 32 Buchstaben von a bis z, Ziffern, Bindestrichen und Unterstrichen.
        [demo_folder] In diesem Ordner liegen Dateien einer anderen Vorführung.
        [identifier] Das ist keine Nummer aus „kartenbund approvals“ oder „kartenbund devices“.
       *[other] Die Eingabe ist ungültig.
    }
    .remedy = { $input ->
        [kvnr_small_letter] Geben Sie ihn groß ein, zum Beispiel A123456780.
        [kvnr_trailing_part] Geben Sie nur die ersten zehn Zeichen ein: einen Großbuchstaben und neun Ziffern, ohne Bindestrich und was danach kommt.
        [kvnr_check_digit] Vergleichen Sie die zehn Zeichen mit der Vorderseite Ihrer Gesundheitskarte.
        [kvnr_shape] Sie steht vorn auf der Gesundheitskarte: ein Großbuchstabe und neun Ziffern.
        [identifier] Kopieren Sie die Nummer ganz.
        [demo_folder] Nennen Sie mit --dir einen anderen Ordner, oder lassen Sie es weg.
        [descriptor] Öffnen Sie den Dateideskriptor zum Lesen, zum Beispiel mit „--pin-fd 3 3<DATEI“.
       *[other] Starten Sie den Befehl neu und geben Sie es noch einmal ein.
    }
error-file = { $why ->
        [exists] Die Datei „{ $path }“ gibt es schon; sie wird nicht überschrieben.
        [content] Die Datei enthält nicht, was hier gebraucht wird, oder ist zu lang dafür: { $path }
       *[other] Eine Datei lässt sich nicht lesen oder schreiben: { $path }
    }
    .remedy = { $why ->
        [exists] Nennen Sie eine andere Datei, oder löschen Sie diese zuerst.
        [content] Prüfen Sie, ob es die richtige Datei ist.
       *[other] Prüfen Sie, ob es den Ordner gibt, ob er Ihnen gehört und ob auf dem Datenträger Platz ist.
    }

error-file-damaged = Eine Datei dieses Programms ist beschädigt: { $path }
    .remedy = Benennen Sie die Datei um und melden Sie sich neu an: „kartenbund login --service https://…“.

error-no-pcsc-service = Der Dienst für Kartenleser (PC/SC) läuft nicht.
    .remedy = { $os ->
        [debian] Installieren und starten Sie ihn: „sudo apt install pcscd libccid“, dann „sudo systemctl enable --now pcscd.socket“.
        [fedora] Installieren und starten Sie ihn: „sudo dnf install pcsc-lite pcsc-lite-ccid“, dann „sudo systemctl enable --now pcscd.socket“.
        [arch] Installieren und starten Sie ihn: „sudo pacman -S pcsclite ccid“, dann „sudo systemctl enable --now pcscd.socket“.
        [windows] Stecken Sie den Kartenleser ein: Der Dienst „Smartcard“ (SCardSvr) startet dann von selbst. Sonst starten Sie ihn in der Verwaltung „Dienste“.
        [macos] Er gehört zu macOS: Stecken Sie den Leser neu ein; hilft das nicht, starten Sie den Computer neu.
       *[linux] Installieren Sie pcsc-lite (pcscd) und ccid mit der Paketverwaltung, dann „sudo systemctl enable --now pcscd.socket“.
    }
error-not-allowed = { $why ->
        [version] Der Dienst für Kartenleser (PC/SC) läuft, aber in einer anderen Version als die Bibliothek dieses Programms; beide verstehen einander nicht.
        [flatpak] Dieses Programm läuft in Flatpak und darf dort keine Kartenleser benutzen.
        [snap] Dieses Programm läuft als Snap und darf dort keine Kartenleser benutzen.
        [socket] Dieses Programm darf den Zugang zum Dienst für Kartenleser (PC/SC) nicht öffnen.
       *[rights] Der Dienst für Kartenleser (PC/SC) läuft, lässt dieses Programm aber nicht zu.
    }
    .remedy = { $why ->
        [version] Bringen Sie pcscd und libpcsclite auf dieselbe Version und starten Sie den Dienst neu: „sudo systemctl restart pcscd“. In Flatpak oder Snap aktualisieren Sie auch dieses Programm.
        [flatpak] Erlauben Sie es: „flatpak override --user --socket=pcsc { $sandbox }“, und starten Sie das Programm neu.
        [snap] Erlauben Sie es: „sudo snap connect { $sandbox }:pcscd“, und starten Sie das Programm neu. Der Dienst pcscd muss auf dem Computer selbst installiert sein.
       *[rights] { $os ->
            [windows] Arbeiten Sie am Computer selbst, nicht über Remotedesktop, oder fragen Sie, wer den Computer verwaltet.
            [macos] Erlauben Sie dem Programm in „Systemeinstellungen, Datenschutz & Sicherheit“ den Zugriff, oder fragen Sie, wer den Computer verwaltet.
           *[linux] Melden Sie sich am Computer selbst an, nicht über das Netz (SSH). Sonst braucht Ihr Benutzer eine polkit-Regel für org.debian.pcsc-lite.access_pcsc und access_card, oder die Gruppe von /run/pcscd/pcscd.comm.
        }
    }
error-no-reader = { $why ->
        [driver] Am USB-Anschluss ist ein Kartenleser, aber der Dienst für Kartenleser erkennt ihn nicht: Es fehlt der Treiber.
        [scdaemon] Am USB-Anschluss ist ein Kartenleser, aber der Dienst für Kartenleser erkennt ihn nicht; vermutlich hält scdaemon von GnuPG den Leser fest.
        [reiner-sct] Am USB-Anschluss ist ein Kartenleser von REINER SCT, aber der Dienst für Kartenleser erkennt ihn nicht: Er braucht den Treiber des Herstellers.
       *[none] { $reader ->
            [none] Es ist kein Kartenleser angeschlossen.
           *[other] Der Kartenleser „{ $reader }“ ist nicht angeschlossen.
        }
    }
    .remedy = { $why ->
        [driver] { $os ->
            [debian] „sudo apt install libccid“, dann „sudo systemctl restart pcscd“ und den Leser neu einstecken. Manche Leser brauchen einen Treiber des Herstellers.
            [fedora] „sudo dnf install pcsc-lite-ccid“, dann „sudo systemctl restart pcscd“ und den Leser neu einstecken. Manche Leser brauchen einen Treiber des Herstellers.
            [arch] „sudo pacman -S ccid“, dann „sudo systemctl restart pcscd“ und den Leser neu einstecken. Manche Leser brauchen einen Treiber des Herstellers.
           *[other] Installieren Sie den Treiber „ccid“, dann „sudo systemctl restart pcscd“ und den Leser neu einstecken. Manche Leser brauchen einen Treiber des Herstellers.
        }
        [scdaemon] „gpgconf --kill scdaemon“, dann den Leser neu einstecken. Hilft das nicht, sagt „kartenbund doctor“ danach, was fehlt.
        [reiner-sct] { $os ->
            [debian] „sudo apt install libifd-cyberjack6“, dann „sudo systemctl restart pcscd“ und den Leser neu einstecken. Neue Leser brauchen den Treiber von www.reiner-sct.com.
           *[other] Installieren Sie den Treiber „cyberjack“ aus der Paketverwaltung oder von www.reiner-sct.com, dann „sudo systemctl restart pcscd“ und den Leser neu einstecken.
        }
       *[none] Stecken Sie den Leser ein und warten Sie einige Sekunden; „kartenbund readers“ zeigt, welche erkannt werden.
    }
error-no-card = Im Kartenleser steckt keine Karte.
    .remedy = Stecken Sie die Gesundheitskarte mit dem goldenen Chip voran in den Leser.
error-mute-card = Die Karte antwortet nicht.
    .remedy = Drehen Sie die Karte um: Der goldene Chip muss in den Leser zeigen. Hilft das nicht, reinigen Sie den Chip mit einem trockenen Tuch, versuchen Sie einen anderen Leser, oder ziehen Sie den Leser für fünf Sekunden ab.
error-several-cards = In mehreren Kartenlesern steckt eine Karte.
    .remedy = Nennen Sie den richtigen mit --reader NAME, oder ziehen Sie die anderen Karten heraus.
error-card-in-use = { $holder ->
        [scdaemon] Ein anderes Programm benutzt die Karte, vermutlich scdaemon von GnuPG, das Kartenleser für sich behält.
       *[none] Ein anderes Programm benutzt die Karte.
    }
    .remedy = { $holder ->
        [scdaemon] Geben Sie den Leser frei: „gpgconf --kill scdaemon“. Hilft das nicht, schließen Sie Banking- und Steuerprogramme, die AusweisApp, Praxisprogramme und Browser.
       *[none] { $os ->
            [windows] Schließen Sie ein zweites Kartenbund, Banking- und Steuerprogramme (StarMoney, ELSTER), die AusweisApp, Praxisprogramme und Browser. Nach dem Einstecken liest auch Windows selbst die Karte (Dienst „Zertifikatverteilung“): Warten Sie zehn Sekunden.
            [macos] Schließen Sie ein zweites Kartenbund, Banking- und Steuerprogramme (StarMoney, ELSTER), die AusweisApp, Praxisprogramme und Browser. GnuPG gibt den Leser mit „gpgconf --kill scdaemon“ frei.
           *[linux] Schließen Sie ein zweites Kartenbund, Banking- und Steuerprogramme (Hibiscus, ELSTER), die AusweisApp, Praxisprogramme und Browser. GnuPG gibt den Leser mit „gpgconf --kill scdaemon“ frei.
        }
    }
error-card-removed = Die Karte oder der Leser wurde während der Arbeit entfernt.
    .remedy = Stecken Sie die Karte wieder ein und starten Sie den Befehl neu; es ist nichts halb Fertiges zurückgeblieben.
error-card-timeout = Die Karte hat nicht rechtzeitig geantwortet.
    .remedy = Auf einem Leser ohne Kontakte lassen Sie die Karte still liegen, bis alles fertig ist; in einem Leser mit Schlitz stecken Sie sie neu ein. Hilft das nicht, ziehen Sie den Leser für fünf Sekunden ab.
error-card-reset = Ein anderes Programm setzt die Karte immer wieder zurück.
    .remedy = Beenden Sie andere Programme, die Karten benutzen (Banking, Steuer, AusweisApp, Praxissoftware, Anmeldung mit Karte im Browser), und starten Sie den Befehl neu.
error-transmission = Die Verbindung zur Karte wurde gestört.
    .remedy = Stecken Sie die Karte neu ein; hilft das nicht, ziehen Sie den Leser für fünf Sekunden ab.
error-secure-line = Die geschützte Verbindung zur Karte kam nicht zustande oder brach ab.
    .remedy = Legen Sie die Karte noch einmal ruhig auf den Leser. Hilft das nicht, versuchen Sie es mit --short-apdus, oder benutzen Sie einen Leser, in den man die Karte steckt.
error-not-an-egk = { $card ->
        [hba] Das ist ein Heilberufsausweis, keine Gesundheitskarte.
        [smc-b] Das ist die Karte einer Praxis oder Einrichtung, keine Gesundheitskarte.
       *[unknown] Das ist keine elektronische Gesundheitskarte.
    }
    .remedy = Stecken Sie Ihre Gesundheitskarte (eGK) in den Leser.
error-card-too-old = Diese Gesundheitskarte ist zu alt.
    .remedy = Bitten Sie Ihre Krankenkasse um eine neue Karte.
error-card-contactless = Die Karte liegt auf einem Leser ohne Kontakte; dafür wird hier die Zugangsnummer (CAN) gebraucht.
    .remedy = Geben Sie die sechs Ziffern vorn auf der Karte mit --can an. Wo es das nicht gibt, stecken Sie die Karte in einen Leser mit Schlitz.
error-card-deactivated = Die Krankenkasse hat die Anwendung auf dieser Karte abgeschaltet.
    .remedy = Fragen Sie Ihre Krankenkasse; vielleicht haben Sie schon eine neuere Karte.
error-card-answer = Die Karte hat einen Befehl abgelehnt ({ $command }: { $status }).
    .remedy = Stecken Sie die Karte neu ein und versuchen Sie es noch einmal; bleibt es dabei, fragen Sie Ihre Krankenkasse.
error-card-data = { $what ->
        [no_certificate] Auf der Karte fehlt das Zertifikat, das sagt, wem sie gehört.
       *[other] Die Daten auf der Karte sind beschädigt oder unvollständig.
    }
    .remedy = { $what ->
        [no_certificate] Bitten Sie Ihre Krankenkasse um eine neue Karte.
       *[other] Versuchen Sie es noch einmal; bleibt es dabei, bitten Sie Ihre Krankenkasse, die Karte zu prüfen.
    }
error-card-updating = Die Versichertendaten auf der Karte wurden nicht fertig aktualisiert.
    .remedy = Lassen Sie die Karte in einer Arztpraxis noch einmal einlesen.
error-card-mismatch = Die Daten auf der Karte nennen eine andere Person als ihr Zertifikat.
    .remedy = Benutzen Sie diese Karte nicht und melden Sie sich bei Ihrer Krankenkasse.

error-keypad-timeout = Am Kartenleser wurde nicht rechtzeitig etwas eingegeben; es wurde kein Versuch verbraucht.
    .remedy = Legen Sie den PIN-Brief bereit und starten Sie den Befehl neu. Der Leser wartet etwa eine halbe Minute.
error-keypad-refused = Der Kartenleser nimmt die PIN nicht auf seiner Tastatur an; es wurde kein Versuch verbraucht.
    .remedy = Geben Sie die PIN auf diesem Computer ein: Starten Sie den Befehl mit --no-keypad.
error-card-pin-wrong = Die Karten-PIN ist falsch; { $tries ->
        [one] es ist noch ein Versuch übrig
       *[other] es sind noch { $tries } Versuche übrig
    }.
    .remedy = Sehen Sie im PIN-Brief Ihrer Krankenkasse nach. Gemeint ist die PIN der Gesundheitskarte, nicht die Geräte-PIN.
error-card-pin-blocked = Die Karten-PIN ist gesperrt.
    .remedy = Entsperren Sie sie mit der PUK aus dem PIN-Brief („kartenbund card pin unblock“), oder bitten Sie Ihre Krankenkasse um Hilfe.
error-card-last-try = { $tries ->
        [unknown] Die Karte sagt nicht, wie viele Versuche die Transport-PIN noch hat; es wurde keiner benutzt.
       *[one] Es ist nur noch ein Versuch für die Karten-PIN übrig; er wurde nicht benutzt.
    }
    .remedy = Sehen Sie im PIN-Brief nach. Sind Sie sicher, starten Sie den Befehl mit --allow-last-try.
error-card-transport-pin = Die Karte hat noch die Transport-PIN aus dem PIN-Brief.
    .remedy = Ersetzen Sie sie zuerst durch eine eigene PIN: „kartenbund card pin change“.
error-card-no-pin = { $why ->
        [empty] Die Karte hat noch keine PIN.
        [none_taken] Die Karte hat noch keine PIN und nimmt auch keine an.
       *[other] Die PIN dieser Karte lässt sich nicht benutzen.
    }
    .remedy = { $why ->
        [empty] Wählen Sie eine: „kartenbund card pin change“. Nimmt die Karte keine an, bitten Sie Ihre Krankenkasse um eine PIN.
        [none_taken] Bitten Sie Ihre Krankenkasse um eine PIN. Sie prüft, wer Sie sind, und schickt Ihnen einen PIN-Brief.
       *[other] Stecken Sie die Karte neu ein; bleibt es dabei, fragen Sie Ihre Krankenkasse.
    }

error-can-wrong = Das ist nicht die Zugangsnummer (CAN) dieser Karte.
    .remedy = Sie steht vorn auf der Gesundheitskarte: sechs Ziffern, meist oben rechts. Es ist weder die PIN noch die Versichertennummer.

error-puk-wrong = Die PUK ist falsch; { $uses ->
        [one] sie lässt sich noch einmal benutzen
       *[other] sie lässt sich noch { $uses }-mal benutzen
    }.
    .remedy = Sehen Sie im PIN-Brief Ihrer Krankenkasse nach: Die PUK hat acht Ziffern. Jede Eingabe zählt, auch eine richtige.
error-pin-unanswered = Die Karte hat nicht mehr geantwortet; ob sie die Eingabe angenommen hat, ist nicht bekannt.
    .remedy = „kartenbund card pin status“ zeigt den Stand. Versuchen Sie zuerst die neue PIN; eine Benutzung der PUK kann gezählt worden sein.
error-puk-used-up = Die PUK dieser Karte ist aufgebraucht.
    .remedy = Bitten Sie Ihre Krankenkasse um eine neue Karte; ist die PIN dieser Karte gesperrt, lässt sie sich nicht mehr entsperren.

error-certificate-refused = Das Zertifikat der Karte wird nicht anerkannt.
    .remedy = Prüfen Sie, ob es die Karte Ihrer jetzigen Krankenkasse ist; sonst fragen Sie dort nach.
error-certificate-expired = Die Gesundheitskarte ist abgelaufen.
    .remedy = Benutzen Sie Ihre neue Karte, oder bitten Sie Ihre Krankenkasse um eine.
error-card-key-unsupported = Der Schlüssel im Zertifikat dieser Karte ist keiner, mit dem Kartenbund arbeiten kann. Fragen Sie Ihre Krankenkasse.
    .remedy = Bitten Sie Ihre Krankenkasse um eine neue Karte.
error-other-person = Die Karte gehört einer anderen Person als das Konto.
    .remedy = Stecken Sie Ihre eigene Karte ein, oder melden Sie sich mit Ihrer eigenen Versichertennummer an.
error-other-insurer = { $detail ->
        [none] Die Karte ist von einer anderen Krankenkasse.
       *[other] Die Karte ist von einer anderen Krankenkasse: { $detail }.
    }
    .remedy = Benutzen Sie die Karte der Krankenkasse, bei der Sie jetzt versichert sind.
error-chip-refused = { $why ->
        [signature] Der Chip hat nicht gezeigt, dass er der aus seinem Zertifikat ist. Mit echten Karten ist diese Prüfung noch nicht bestätigt.
        [unknown] Das Zertifikat des Chips stammt von einer Wurzel, die nicht genannt wurde.
        [expired] Das Zertifikat des Chips ist abgelaufen.
        [not-yet] Das Zertifikat des Chips ist noch nicht gültig.
       *[other] Das Zertifikat des Chips ist nicht das einer echten Gesundheitskarte.
    }
    .remedy = { $why ->
        [unknown] Nennen Sie die Wurzel, die zur Karte gehört, mit --cvc-root.
        [not-yet] Prüfen Sie, ob die Uhr dieses Computers richtig geht. Geht sie richtig, fragen Sie Ihre Krankenkasse.
        [expired] Prüfen Sie, ob die Uhr dieses Computers richtig geht. Geht sie richtig, bitten Sie Ihre Krankenkasse um eine neue Karte.
       *[other] Fragen Sie Ihre Krankenkasse.
    }
error-cvc-root = Die Datei enthält keine Wurzel für kartenprüfbare Zertifikate, oder diese ist von einer unterschrieben, die nicht vorher genannt wurde: { $path }
    .remedy = Nennen Sie eine Datei mit dem Zertifikat einer Wurzel. Hat eine andere Wurzel es unterschrieben, nennen Sie jene zuerst.

error-key-ring = { $why ->
        [locked] Die Anmeldung gehört in den Schlüsselbund des Desktops, und der ist gesperrt.
        [lost] Die Anmeldung lag im Schlüsselbund des Desktops; dort ist sie nicht mehr.
        [damaged] Die Anmeldung im Schlüsselbund des Desktops ist beschädigt.
        [absent] Die Anmeldung liegt im Schlüsselbund des Desktops, und hier gibt es keinen.
        [unwanted] Die Anmeldung liegt im Schlüsselbund des Desktops, und der soll nicht benutzt werden.
        [silent] Der Schlüsselbund des Desktops antwortet nicht.
       *[broken] Der Schlüsselbund des Desktops lässt sich nicht benutzen.
    }
    .remedy = { $why ->
        [locked] Schließen Sie ihn auf, zum Beispiel in „Passwörter und Verschlüsselung“, und starten Sie den Befehl neu. Ohne Schlüsselbund: „kartenbund login --no-key-ring“.
        [lost] Melden Sie sich neu an: „kartenbund login“.
        [damaged] Melden Sie sich neu an: „kartenbund login“.
        [absent] Arbeiten Sie am Desktop selbst, oder melden Sie sich hier neu an: „kartenbund login“.
        [unwanted] Lassen Sie --no-key-ring (KARTENBUND_NO_KEY_RING) weg, oder melden Sie sich damit neu an: „kartenbund login --no-key-ring“.
       *[other] Melden Sie sich am Desktop ab und wieder an. Ohne Schlüsselbund: „kartenbund login --no-key-ring“.
    }
error-several-accounts = Auf diesem Computer gibt es mehrere Konten: { $accounts }.
    .remedy = Sagen Sie, welches gemeint ist: „kartenbund --account NAME …“.
error-no-account = Ein Konto „{ $account }“ gibt es auf diesem Computer nicht.
    .remedy = { $accounts ->
        [none] Melden Sie sich zuerst an: „kartenbund login --account { $account } --service https://…“.
       *[other] Es gibt: { $accounts }. Ein neues legt die Anmeldung an: „kartenbund login --account { $account } --service https://…“.
    }
error-service-unreachable = { $why ->
        [name] Die Adresse des Dienstes der Krankenkasse ist im Internet nicht zu finden.
        [line] Unter der Adresse des Dienstes der Krankenkasse antwortet niemand.
        [stranger] Unter der Adresse des Dienstes der Krankenkasse antwortet jemand, weist sich aber nicht als der Dienst aus.
        [busy] Der Dienst der Krankenkasse kann gerade nicht antworten.
       *[other] Der Dienst der Krankenkasse ist nicht zu erreichen.
    }
    .remedy = { $why ->
        [busy] Versuchen Sie es in einigen Minuten noch einmal.
        [name] Prüfen Sie die Internetverbindung; öffnen Sie zum Beispiel eine Seite im Browser.
        [stranger] Prüfen Sie Datum und Uhrzeit dieses Computers. In fremden WLANs melden Sie sich zuerst im Browser an. Sonst versuchen Sie es später noch einmal.
        [line] Prüfen Sie die Internetverbindung, eine Firewall und die Adresse des Dienstes, und versuchen Sie es später noch einmal.
       *[other] Prüfen Sie die Internetverbindung und die Adresse des Dienstes, und versuchen Sie es später noch einmal.
    }
error-service-refused = { $code ->
        [level_too_low] Das darf nur ein Gerät freigeben, das mit Gesundheitskarte und Karten-PIN registriert ist.
       *[other] Der Dienst der Krankenkasse hat abgelehnt ({ $code }).
    }
    .remedy = { $code ->
        [level_too_low] Stimmen Sie auf einem solchen Gerät zu, oder registrieren Sie diesen Computer mit der Karte: „kartenbund register --replace“.
       *[other] Versuchen Sie es noch einmal; bleibt es dabei, nennen Sie der Krankenkasse die Zeile „Technisch“.
    }
error-service-answer = Der Dienst hat etwas Unverständliches oder Widersprüchliches geantwortet; es wurde nichts unterschrieben, was nicht geprüft ist.
    .remedy = Prüfen Sie die Adresse des Dienstes und ob es eine neuere Version dieses Programms gibt.
error-service-key-changed = { $why ->
        [named] Der Dienst weist sich mit einem anderen Schlüssel aus als dem, zu dem der angegebene Schlüssel-Fingerabdruck gehört.
        [old] Der Dienst weist sich mit dem Schlüssel aus, den Sie angegeben haben, seine Antwort ist nach der Uhr dieses Computers aber nicht von jetzt: Die Uhr geht mehr als zehn Minuten falsch, oder jemand wiederholt eine alte Antwort.
       *[unknown] Der Dienst weist sich mit einem Schlüssel aus, den dieser Computer nicht kennt. Es könnte jemand anderes antworten; oder die Krankenkasse hat den Schlüssel gewechselt, während dieser Computer lange nicht benutzt wurde.
    }
    .remedy = { $why ->
        [named] Prüfen Sie den Schlüssel-Fingerabdruck auf Tippfehler, auch auf Groß- und Kleinschreibung, und ob es der neueste ist, den die Krankenkasse nennt. Stimmt er, antwortet jemand anderes: Geben Sie nichts ein und sagen Sie es der Krankenkasse.
        [old] Stellen Sie Datum und Uhrzeit dieses Computers richtig und versuchen Sie es noch einmal. Bleibt es dabei, antwortet jemand anderes: Geben Sie nichts ein und sagen Sie es der Krankenkasse.
       *[unknown] Geben Sie nichts ein. Lassen Sie sich von Ihrer Krankenkasse auf anderem Weg den Schlüssel-Fingerabdruck nennen, eine Folge von 43 Zeichen, und melden Sie sich damit an: „kartenbund login --service-fingerprint SCHLÜSSEL-FINGERABDRUCK“. Das Programm vergleicht ihn mit dem Schlüssel des Dienstes und meldet Sie nur an, wenn beide zusammenpassen.
    }
error-service-address = Die Adresse des Dienstes ist nicht geschützt oder keine Adresse.
    .remedy = Geben Sie sie so ein, wie die Krankenkasse sie nennt: https:// und der Name, sonst nichts.
error-account-unknown = Die Karte ist in Ordnung, aber Ihr Konto gibt es hier noch nicht.
    .remedy = Fragen Sie Ihre Krankenkasse, ob Sie schon als Mitglied eingetragen sind.
error-reset-not-approved = Kein registriertes Gerät hat dem neuen Passwort zugestimmt.
    .remedy = Stimmen Sie auf dem registrierten Gerät zu ("kartenbund approvals") oder nehmen Sie die Gesundheitskarte oder einen Brief: "kartenbund password reset".
error-login-failed = Versichertennummer oder Passwort stimmen nicht.
    .remedy = Achten Sie auf Groß- und Kleinschreibung. Vor dem ersten Tag der Versicherung ist keine Anmeldung möglich. Vergessen: „kartenbund password reset“.
error-login-delayed = { $code ->
        [too_many_logins] Aus Ihrem Netz wurden in letzter Zeit zu viele Passwörter versucht.
       *[other] Für dieses Konto wurden mehrere falsche Passwörter eingegeben; bis zum nächsten Versuch vergeht etwas Zeit.
    }
    .remedy = { $unit ->
        [seconds] { $count ->
            [one] Das Passwort gilt weiter; versuchen Sie es in einer Sekunde noch einmal.
           *[other] Das Passwort gilt weiter; versuchen Sie es in { $count } Sekunden noch einmal.
        }
        [minutes] Das Passwort gilt weiter; versuchen Sie es in { $count } Minuten noch einmal.
        [hours] Das Passwort gilt weiter; versuchen Sie es in { $count } Stunden noch einmal.
       *[other] Das Passwort gilt weiter; versuchen Sie es später noch einmal.
    }
error-not-yet = { $detail ->
        [day] Ihr Konto öffnet am ersten Tag Ihrer Versicherung, am { $day }.{ $month }.{ $year }.
       *[other] Ihr Konto öffnet erst am ersten Tag Ihrer Versicherung.
    }
    .remedy = Melden Sie sich dann noch einmal an; Ihr Passwort gilt weiter.
error-too-young = Für ein eigenes Konto muss man bei dieser Krankenkasse älter sein.
    .remedy = { $detail ->
        [none] Rufen Sie Ihre Krankenkasse an: sie sagt, wer das Konto führen kann.
       *[other] Rufen Sie Ihre Krankenkasse an ({ $detail }): sie sagt, wer das Konto führen kann.
    }
error-account-suspended = Das Konto ist vorübergehend gesperrt.
    .remedy = { $detail ->
        [none] Rufen Sie Ihre Krankenkasse an: sie kann es wieder öffnen.
       *[other] Rufen Sie Ihre Krankenkasse an ({ $detail }): sie kann es wieder öffnen.
    }
error-account-closed = Ihre Versicherung bei dieser Krankenkasse ist beendet; im Konto lässt sich nichts mehr ändern.
    .remedy = Was im Konto liegt, können Sie weiter lesen; alles andere sagt Ihnen die Krankenkasse.
error-password-refused = { $detail ->
        [too_short] Das neue Passwort ist zu kurz: es braucht mindestens { $characters } Zeichen.
        [too_long] Das neue Passwort ist zu lang: mehr als 1.024 Bytes sind nicht möglich.
        [common] Das neue Passwort ist eines, das jeder zuerst versucht.
        [personal] Das neue Passwort enthält Ihre Versichertennummer, Ihren Namen, Ihr Geburtsdatum oder den Namen der Krankenkasse.
        [classes] Das neue Passwort braucht einen Großbuchstaben, einen Kleinbuchstaben, eine Ziffer und ein anderes Zeichen.
        [initial] Das neue Passwort ist das aus dem Brief; das gilt nur einmal.
       *[other] Das neue Passwort verstößt gegen eine Regel der Krankenkasse.
    }
    .remedy = Wählen Sie ein anderes, zum Beispiel vier Wörter, die nichts miteinander zu tun haben; einfügen ist erlaubt.
error-old-password-wrong = Das bisherige Passwort stimmt nicht; es wurde nichts geändert.
    .remedy = Achten Sie auf Groß- und Kleinschreibung. Haben Sie es vergessen, setzen Sie es mit der Gesundheitskarte oder einem neuen Brief zurück.
error-initial-password-ended = { $detail ->
        [used] Das Passwort aus diesem Brief wurde schon benutzt; es gilt nur einmal.
       *[other] Das Passwort aus diesem Brief gilt nicht mehr, weil es zu alt ist.
    }
    .remedy = Fordern Sie einen neuen Brief an, oder melden Sie sich mit der Gesundheitskarte an. Haben Sie es nicht selbst benutzt, rufen Sie Ihre Krankenkasse an.
error-no-session = Sie sind nicht angemeldet, oder die Anmeldung ist abgelaufen.
    .remedy = Melden Sie sich an: „kartenbund login“.
error-session-ended = { $detail ->
        [reused] Ihre Anmeldung wurde beendet: Jemand anderes hat die Anmeldedaten dieses Computers benutzt.
       *[ended] Ihre Anmeldung wurde beendet, von Ihnen auf einem anderen Computer oder durch ein neues Passwort.
    }
    .remedy = { $detail ->
        [reused] Prüfen Sie diesen Computer auf fremde Programme und Zugriffe. Melden Sie sich dann neu an („kartenbund login“), ändern Sie das Passwort, und sagen Sie Ihrer Krankenkasse Bescheid.
       *[ended] Melden Sie sich neu an: „kartenbund login“. Waren Sie das nicht, ändern Sie danach das Passwort und sagen Sie Ihrer Krankenkasse Bescheid.
    }
error-password-first = Vor allem anderen müssen Sie ein eigenes Passwort wählen.
    .remedy = Wählen Sie es mit „kartenbund password change“.
error-no-profile = Auf diesem Computer hat sich noch niemand angemeldet.
    .remedy = Melden Sie sich an: „kartenbund login --service https://…“.
error-other-account = Dieser Computer ist schon für ein anderes Konto registriert.
    .remedy = Melden Sie sich mit dessen Versichertennummer an, oder geben Sie der zweiten Person mit --account ein eigenes Konto auf diesem Computer.
error-not-found = Das gibt es in diesem Konto nicht.
    .remedy = „kartenbund approvals“ und „kartenbund devices“ zeigen, was es gibt.

error-no-device = Es ist kein Gerät registriert, das freigeben kann.
    .remedy = Registrieren Sie diesen Computer mit der Gesundheitskarte: „kartenbund register“. Ohne Karte geht es mit dem Code aus einem Brief: „kartenbund register --order-letter“.
error-device-locked-by-owner = Dieses Gerät ist gesperrt.
    .remedy = Melden Sie sich mit der Gesundheitskarte an („kartenbund login --card“), oder an einem anderen Computer, den sie registriert hat („kartenbund login --device“), und entsperren Sie es: „kartenbund devices unlock ID“.
error-device-expired = Die Registrierung dieses Geräts ist abgelaufen.
    .remedy = Erneuern Sie die Registrierung an diesem Computer mit Gesundheitskarte und Geräte-PIN; Gerät und Geräte-PIN bleiben: „kartenbund devices rebind“. Geräte-PIN vergessen? „kartenbund register --replace“.
error-stronger-login-needed = { $detail ->
        [remove] Diese Anmeldung darf das Gerät nicht entfernen: Mit dem Passwort allein, oder an einem Gerät, das mit weniger registriert wurde als das andere, entfernt niemand ein Gerät endgültig.
        [not_lately] Diese Anmeldung ist älter als fünf Minuten. Dafür müssen Sie sich gerade eben mit der Gesundheitskarte oder an einem registrierten Gerät angemeldet haben: So genügt niemandem ein Computer, an dem Sie noch angemeldet sind.
       *[other] Das Passwort genügt dafür nicht: Sie müssen mit der Gesundheitskarte oder einem registrierten Gerät angemeldet sein.
    }
    .remedy = { $detail ->
        [remove] Sperren Sie es, das gilt sofort: „kartenbund devices lock ID“. Zum Entfernen melden Sie sich mit der Gesundheitskarte an („kartenbund login --card“) oder an einem Computer, der ebenso registriert wurde wie jenes Gerät oder mit der Karte („kartenbund login --device“).
        [not_lately] Melden Sie sich neu an, hier mit der Geräte-PIN („kartenbund login --device“) oder mit Gesundheitskarte und Karten-PIN („kartenbund login --card“), und versuchen Sie es gleich noch einmal. Sperren geht mit jeder Anmeldung sofort: „kartenbund devices lock ID“.
       *[other] Melden Sie sich mit Gesundheitskarte und Karten-PIN an („kartenbund login --card“) oder mit einem Gerät, das die Karte registriert hat („kartenbund login --device“), und versuchen Sie es noch einmal.
    }
error-device-too-young = Ein Gerät fügt in seinen ersten 14 Tagen kein weiteres hinzu.
    .remedy = „kartenbund devices“ zeigt, seit wann Ihre Geräte registriert sind. Mit der Gesundheitskarte geht es sofort: Registrieren Sie den neuen Computer mit ihr („kartenbund register“), oder zeigen Sie ihm einen Code („kartenbund devices code --card“).
error-device-not-approved = { $why ->
        [expired] Auf dem registrierten Gerät wurde nicht rechtzeitig zugestimmt.
       *[other] Auf dem registrierten Gerät wurde nicht zugestimmt.
    }
    .remedy = Beginnen Sie noch einmal: „kartenbund register --method device“. Haben Sie das Gerät nicht bei sich, nehmen Sie die Gesundheitskarte oder den Code aus einem Brief.
error-strings-differ = Die Ziffern waren dreimal falsch. Das neue Gerät wurde abgelehnt.
    .remedy = Beginnen Sie auf dem neuen Computer noch einmal. Waren die Ziffern richtig abgelesen, steht jemand zwischen den Geräten: Rufen Sie Ihre Krankenkasse an.
error-added-elsewhere = Dieser Antrag wird schon auf einem anderen Gerät geprüft, oder die Prüfung wurde abgebrochen.
    .remedy = Führen Sie ihn dort zu Ende, oder beginnen Sie auf dem neuen Computer noch einmal: „kartenbund register --method device“.
error-card-number-unknown = Ihre Krankenkasse kennt die Nummer Ihrer Gesundheitskarte nicht: Ohne Karten-PIN geht es damit nicht.
    .remedy = Registrieren Sie mit Karte und Karten-PIN („kartenbund register“) oder mit dem Code aus einem Brief („kartenbund register --method qr“).
error-chip-not-accepted = Der Chip dieser Karte wird nicht angenommen.
    .remedy = Nehmen Sie die Karte, die Ihnen Ihre Krankenkasse zuletzt geschickt hat. Haben Sie sie gerade erst bekommen, kennt die Krankenkasse ihre Nummer vielleicht noch nicht. Mit Karten-PIN geht es sofort: „kartenbund register“.
error-attestation-refused = Der Dienst glaubt dem TPM dieses Computers nicht, dass der Schlüssel darin liegt.
    .remedy = Registrieren Sie noch einmal. Hilft das nicht, lassen Sie den Schlüssel in der Datei: „kartenbund register --no-tpm“. Ihre Krankenkasse wüsste gern davon.
error-card-revoked = Diese Gesundheitskarte wurde als verloren gemeldet oder gesperrt.
    .remedy = Nehmen Sie die neue Karte. Haben Sie keine bekommen, oder die alte wiedergefunden, rufen Sie Ihre Krankenkasse an. Mit dem Code aus einem Brief geht es auch ohne Karte: „kartenbund register --method qr“.
error-card-unknown = Wer diese Gesundheitskarte ausgestellt hat, kennt sie nicht.
    .remedy = Nehmen Sie die Karte, die Ihnen Ihre Krankenkasse zuletzt geschickt hat, und rufen Sie sie sonst an. Mit dem Code aus einem Brief geht es auch ohne Karte: „kartenbund register --method qr“.
error-card-status-unavailable = Ob diese Gesundheitskarte gesperrt ist, lässt sich gerade nicht erfahren. Es wurde nichts verbraucht.
    .remedy = Versuchen Sie es in einigen Minuten noch einmal.
error-responder = Das ist kein Zertifikat einer Auskunft über gesperrte Karten (OCSP).
    .remedy = Geben Sie mit --ocsp-responder eine PEM-Datei mit dem Zertifikat der Auskunft an, etwa aus der Vertrauensliste.
error-fingerprint = { $why ->
        [no_reader] Dieser Computer hat keinen Fingerabdruckleser, oder es läuft kein Dienst dafür (fprintd).
        [no_finger] Dieser Computer kennt noch keinen Ihrer Finger.
        [not_allowed] Der Fingerabdruckleser darf von hier aus nicht benutzt werden.
        [in_use] Ein anderes Programm benutzt gerade den Fingerabdruckleser.
        [unknown] Keiner der drei Finger war dem Computer bekannt.
        [nobody] Am Fingerabdruckleser ist eine halbe Minute lang nichts geschehen.
       *[other] Der Fingerabdruckleser arbeitet nicht richtig.
    }
    .remedy = { $why ->
        [no_finger] Nehmen Sie einen Finger in den Einstellungen des Desktops auf, oder mit „fprintd-enroll“.
        [not_allowed] Starten Sie das Programm an diesem Computer selbst, nicht über eine Fernverbindung. Ohne Fingerabdruck geht es nach „kartenbund devices fingerprint off“ mit der Geräte-PIN.
        [no_reader] Ist Ihr Leser angeschlossen, installieren Sie fprintd. Wo Freigaben einen Fingerabdruck verlangen, schaltet „kartenbund devices fingerprint off“ das mit der Geräte-PIN ab.
       *[other] Versuchen Sie es noch einmal. Wo Freigaben einen Fingerabdruck verlangen, schaltet „kartenbund devices fingerprint off“ das mit der Geräte-PIN ab.
    }
error-program-too-old = Dieses Programm ist zu alt: Der Dienst der Krankenkasse verlangt mindestens Version { $version }.
    .remedy = Installieren Sie die neue Version von dort, woher Sie Kartenbund haben, und starten Sie den Befehl noch einmal. Ihre Registrierung bleibt.
error-device-waiting = Das neue Gerät darf noch nichts freigeben.
    .remedy = „kartenbund devices“ zeigt, ab wann. Ein Gerät, das ohne Karten-PIN registriert wurde, wartet 24 Stunden, und bis der Brief gedruckt ist, der davon berichtet. Mit der Gesundheitskarte geht es sofort: „kartenbund register --replace“.
error-letter-code-picture = { $why ->
        [clipboard] In der Zwischenablage ist kein Bild, oder sie ist nicht erreichbar.
        [file] Die Bilddatei lässt sich nicht lesen.
        [picture] Das ist kein Bild, das dieses Programm liest, oder es ist beschädigt oder zu groß.
       *[no_symbol] In dem Bild ist kein QR-Code zu erkennen.
    }
    .remedy = Gebraucht wird ein PNG oder JPEG, in dem der ganze Code mit weißem Rand scharf zu sehen ist. Oder tippen Sie die Gruppen ab, die darunter stehen: „kartenbund register --method qr“.
error-letter-code-wrong = { $group ->
        [0] Das ist kein solcher Code Ihrer Krankenkasse.
       *[other] Gruppe { $group } stimmt nicht.
    }
    .remedy = Vergleichen Sie mit dem Papier oder dem Bildschirm, auf dem er steht: Jede Gruppe hat fünf Zeichen. Buchstaben I, L, O und U kommen nicht vor.
error-letter-code-of-other-service = { $host ->
        [none] Der Code ist für einen anderen Dienst, oder Gruppen aus zwei Codes sind vermischt.
       *[host] Der Code ist für einen anderen Dienst: { $host }.
    }
    .remedy = Nehmen Sie den Brief der Krankenkasse, bei der Sie angemeldet sind, oder den Code eines Computers, der bei ihr registriert ist („kartenbund devices code“). Haben Sie beides nicht, bestellen Sie einen Brief: „kartenbund register --order-letter“.
error-letter-code-ended = { $detail ->
        [used] Mit diesem Code wurde schon ein Gerät registriert.
        [expired] Dieser Code ist abgelaufen.
        [void] Dieser Code gilt nicht mehr, weil er zu oft falsch eingegeben wurde.
        [superseded] Dieser Code gilt nicht mehr, weil nach ihm ein neuer gezeigt wurde.
        [no_password] Ein Code vom Bildschirm registriert nur einen Computer, an dem Sie mit Ihrem Passwort angemeldet sind.
        [session_ended] Dieser Code gilt nicht mehr, weil der Computer, der ihn gezeigt hat, nicht mehr angemeldet ist.
       *[unknown] Dieser Code gehört nicht zu Ihrem Konto.
    }
    .remedy = { $detail ->
        [no_password] Melden Sie sich an dem Computer, der registriert werden soll, mit dem Passwort an („kartenbund login“), und geben Sie den Code noch einmal ein: Er gilt noch.
       *[other] Bestellen Sie einen neuen Brief („kartenbund register --order-letter“), oder zeigen Sie an einem registrierten Computer einen neuen Code: „kartenbund devices code“. Haben Sie den Code nicht selbst benutzt, sehen Sie mit „kartenbund devices“ nach und rufen Sie Ihre Krankenkasse an.
    }
error-already-registered = Dieser Computer ist schon registriert.
    .remedy = { $why ->
        [another] Das andere Gerät ist so, wie es war. Sperren Sie es, das gilt sofort: „kartenbund devices lock ID“. Zum Entfernen melden Sie sich mit der Gesundheitskarte an, dafür muss dieser Computer nicht neu registriert werden: „kartenbund login --card“, dann „kartenbund devices remove ID“.
       *[other] Möchten Sie ihn neu registrieren (zum Beispiel mit neuer Geräte-PIN), geben Sie --replace an.
    }
error-device-pin-wrong = { $tries ->
        [-1] Die Geräte-PIN ist falsch.
        [one] Die Geräte-PIN ist falsch. Ein Versuch ist noch übrig.
       *[other] Die Geräte-PIN ist falsch. { $tries } Versuche sind noch übrig.
    }
    .remedy = Gemeint ist die sechsstellige PIN, die Sie für diesen Computer gewählt haben. Vergessen? „kartenbund register --replace“ mit der Gesundheitskarte.
error-device-of-other-service = Dieser Computer ist bei einem anderen Dienst registriert als dem, den Sie genannt haben.
    .remedy = Lassen Sie --service weg, oder melden Sie sich dort mit Passwort oder Gesundheitskarte an.
error-tpm-absent = Der Geräteschlüssel liegt im TPM, und auf diesem Computer ist keines zu sehen.
    .remedy = Schalten Sie das TPM im BIOS ein und starten Sie den Computer neu. Ist die Gerätedatei von einem anderen Computer, registrieren Sie diesen hier neu: „kartenbund register --replace“.
error-tpm-not-allowed = Der Geräteschlüssel liegt im TPM, das Sie nicht benutzen dürfen.
    .remedy = Nehmen Sie Ihr Konto in die Gruppe „tss“ auf („sudo usermod -aG tss $USER“) und melden Sie sich am Computer neu an. Es wurde kein Versuch der Geräte-PIN verbraucht.
error-tpm-broken = Das TPM dieses Computers antwortet nicht, wie es soll.
    .remedy = Versuchen Sie es noch einmal. Bleibt es dabei, starten Sie den Computer neu, oder registrieren Sie ihn ohne TPM: „kartenbund register --replace --no-tpm“.
error-tpm-other = Der Geräteschlüssel gehört zu einem anderen TPM, oder dieses wurde zurückgesetzt.
    .remedy = Der Schlüssel ist verloren. Registrieren Sie diesen Computer neu: „kartenbund register --replace“. Es wurde kein Versuch der Geräte-PIN verbraucht.
error-tpm-not-built-in = Der Geräteschlüssel liegt im TPM, und dieses Programm wurde ohne Unterstützung dafür gebaut.
    .remedy = Benutzen Sie das Programm, mit dem der Computer registriert wurde, oder registrieren Sie ihn neu: „kartenbund register --replace“.
error-device-login-refused = Der Dienst hat die Anmeldung mit diesem Gerät nicht angenommen.
    .remedy = Versuchen Sie es noch einmal. Bleibt es dabei, melden Sie sich mit Passwort oder Gesundheitskarte an und sehen Sie mit „kartenbund devices“ nach, ob das Gerät noch registriert ist.
error-device-gone = Dieses Gerät ist nicht mehr registriert: Die Geräte-PIN war zu oft falsch, oder es wurde entfernt.
    .remedy = Registrieren Sie den Computer jetzt mit der Gesundheitskarte neu; Name und Stufe bleiben: „kartenbund register“.
error-device-locked = Für die Geräte-PIN ist kein Versuch mehr übrig.
    .remedy = { $unit ->
        [seconds] Wenn Sie sie eben richtig eingegeben haben, versuchen Sie es in { $count } Sekunden noch einmal. Sonst registrieren Sie den Computer mit der Gesundheitskarte neu: „kartenbund register --replace“.
       *[other] Wenn Sie sie eben richtig eingegeben haben, versuchen Sie es in zwei Minuten noch einmal. Sonst registrieren Sie den Computer mit der Gesundheitskarte neu: „kartenbund register --replace“.
    }
error-device-secret = { $why ->
        [locked] Ein Teil des Geräteschlüssels liegt im Schlüsselbund des Desktops, und der ist gesperrt.
        [lost] Ein Teil des Geräteschlüssels lag im Schlüsselbund des Desktops; dort ist er nicht mehr.
        [damaged] Ein Teil des Geräteschlüssels liegt im Schlüsselbund des Desktops und ist beschädigt.
        [absent] Ein Teil des Geräteschlüssels liegt im Schlüsselbund des Desktops, und hier gibt es keinen.
        [unwanted] Ein Teil des Geräteschlüssels liegt im Schlüsselbund des Desktops, und der soll nicht benutzt werden.
       *[other] Ein Teil des Geräteschlüssels liegt im Schlüsselbund des Desktops, und der ist nicht zu benutzen.
    }
    .remedy = { $why ->
        [locked] Entsperren Sie ihn, zum Beispiel in „Passwörter und Verschlüsselung“, und starten Sie den Befehl noch einmal.
        [lost] Registrieren Sie diesen Computer mit der Gesundheitskarte neu: „kartenbund register --replace“.
        [damaged] Registrieren Sie diesen Computer mit der Gesundheitskarte neu: „kartenbund register --replace“.
        [absent] Arbeiten Sie am Desktop selbst, oder registrieren Sie diesen Computer neu: „kartenbund register --replace“.
        [unwanted] Lassen Sie --no-key-ring (KARTENBUND_NO_KEY_RING) weg, oder registrieren Sie diesen Computer neu: „kartenbund register --replace --no-key-ring“.
       *[other] Melden Sie sich am Desktop ab und wieder an, und starten Sie den Befehl noch einmal.
    }
error-device-pin-weak = { $why ->
        [one_digit] Eine Ziffer, sechsmal: Das wird zuerst geraten.
        [run] Ziffern in gleichen Schritten: Das wird zuerst geraten.
        [blocks] Wiederholte Ziffern: Das wird zuerst geraten.
        [birth_date] Das ist Ihr Geburtsdatum: Das wird zuerst geraten.
        [insurance_number] Diese Ziffern stehen in Ihrer Versichertennummer.
        [postal_code] Das ist Ihre Postleitzahl.
        [card_number] Das ist das Ende der Nummer Ihrer Gesundheitskarte.
        [can] Das ist die CAN Ihrer Gesundheitskarte.
        [old] Das ist die bisherige Geräte-PIN.
       *[common] Diese Geräte-PIN gehört zu den tausend häufigsten.
    }
    .remedy = Denken Sie sich sechs Ziffern aus, die mit Ihnen nichts zu tun haben.
error-device-file = Die Datei mit dem Schlüssel dieses Computers ist beschädigt.
    .remedy = Registrieren Sie diesen Computer neu: „kartenbund register --replace“.
error-not-pending = Der Antrag ist schon entschieden, abgelaufen, ersetzt oder ausgeführt.
    .remedy = „kartenbund approvals“ zeigt den Stand; stellen Sie den Antrag sonst neu.
error-document-refused = Das Dokument lässt sich nicht so anzeigen, wie es gemeint ist; deshalb kann es nicht freigegeben werden.
    .remedy = Prüfen Sie, ob es eine neuere Version dieses Programms gibt, und fragen Sie Ihre Krankenkasse.
error-match-code-wrong = { $detail ->
        [1] Der Vergleichscode ist falsch; es ist noch ein Versuch übrig.
        [2] Der Vergleichscode ist falsch; es sind noch 2 Versuche übrig.
       *[other] Der Vergleichscode ist falsch.
    }
    .remedy = Er steht dort, wo der Antrag gestellt wurde. Haben Sie keinen gestellt: „kartenbund approvals not-me ID“.
error-match-code-denied = Der Vergleichscode war dreimal falsch; der Antrag ist abgelehnt.
    .remedy = Haben Sie ihn selbst gestellt, stellen Sie ihn noch einmal. Wenn nicht, ändern Sie Ihr Passwort und rufen Sie Ihre Krankenkasse an.
error-too-many = Es sind schon so viele, wie erlaubt sind ({ $code }).
    .remedy = { $code ->
        [too_many_devices] Fünf Geräte dürfen aktiv sein; die noch warten, zählen mit. Sperren Sie eines, das Sie gerade nicht benutzen: „kartenbund devices lock ID“. Endgültig geht es mit der Gesundheitskarte: „kartenbund register --replace=ID“ registriert diesen Computer an seiner Stelle; oder Sie melden sich mit der Karte oder an einem damit registrierten Gerät an und entfernen es: „kartenbund devices remove ID“.
        [too_many_letters] Warten Sie auf den Brief, den Sie bestellt haben; 30 Tage nach einer Bestellung geht die nächste. Mit der Gesundheitskarte brauchen Sie keinen.
        [too_many_pending] Entscheiden Sie zuerst über die offenen Anträge: „kartenbund approvals“.
       *[other] Versuchen Sie es morgen noch einmal.
    }
error-application-invalid = { $detail ->
        [street] Die Straße ist leer, zu lang oder enthält Zeichen, die man nicht sieht.
        [house_number] Die Hausnummer ist leer, zu lang oder enthält Zeichen, die man nicht sieht.
        [supplement] Der Adresszusatz ist leer, zu lang oder enthält Zeichen, die man nicht sieht.
        [city] Der Ort ist leer, zu lang oder enthält Zeichen, die man nicht sieht.
        [country] Das Land ist kein Länderkennzeichen wie „D“ oder „A“.
        [postal_code] Die Postleitzahl ist falsch; in Deutschland hat sie fünf Ziffern.
        [iban] Die IBAN ist falsch.
        [email] Die E-Mail-Adresse ist falsch oder enthält andere Zeichen als A–Z, a–z, Ziffern und die üblichen Sonderzeichen.
        [account_holder] Der Name des Kontoinhabers ist leer, zu lang oder enthält Zeichen, die man nicht sieht.
       *[other] Der Antrag enthält etwas Ungültiges.
    }
    .remedy = { $detail ->
        [iban] Vergleichen Sie sie mit Ihrer Bankkarte oder einem Kontoauszug.
        [email] Vergleichen Sie sie Zeichen für Zeichen. Adressen mit Umlauten nimmt dieser Dienst nicht an.
        [country] Geben Sie das Kennzeichen in Großbuchstaben an.
       *[other] Prüfen Sie die Angaben und stellen Sie den Antrag noch einmal.
    }
error-notice-not-optional = Diese Nachrichten gibt es nicht, oder sie lassen sich nicht abschalten.
    .remedy = „kartenbund notices“ zeigt in Klammern die Namen derer, die sich abschalten lassen.

error-evidence-invalid = Der Nachweis hält der Prüfung nicht stand.
    .remedy = Verlassen Sie sich nicht darauf; lassen Sie sich den Nachweis neu geben und prüfen Sie, ob der Vertrauensanker (--anchor) passt.
error-not-evidence = Die Datei ist kein Nachweis dieser Version.
    .remedy = Geben Sie eine Datei an, die „kartenbund evidence export“ geschrieben hat; eine ältere lassen Sie damit neu ausgeben.
error-anchor = { $of ->
        [list] Der Vertrauensanker ist kein Zertifikat einer CA.
       *[card] Der Vertrauensanker ist kein Zertifikat einer Karten-CA.
    }
    .remedy = { $of ->
        [list] Geben Sie mit --tsl-anchor eine PEM-Datei mit dem Zertifikat der CA an, die das Zertifikat für die Unterschrift der Vertrauensliste ausgestellt hat.
       *[card] Geben Sie mit --anchor eine PEM-Datei mit dem Zertifikat der CA an, die die Karte ausgestellt hat.
    }
error-password-set-only = Ihr neues Passwort gilt; die Anmeldung damit hat aber nicht geklappt.
    .remedy = Melden Sie sich mit dem neuen Passwort an: „kartenbund login“.
error-session-mismatch = Die Aufzeichnung passt nicht, Zeile { $line }: erwartet { $expected }, { $what ->
        [answer] geantwortet
       *[command] gesendet
    } { $actual }.
    .remedy = Zeichnen Sie die Sitzung mit dieser Version neu auf: „kartenbund record“.
error-session-file = Die Aufzeichnung lässt sich nicht lesen oder schreiben (Zeile { $line }).
    .remedy = Prüfen Sie die Datei; das Format steht in docs/card.md.
error-card-image = Das Kartenabbild lässt sich nicht laden.
    .remedy = Geben Sie ein Abbild im XML-Format der gematik an, oder machen Sie eines: „kartenbund virtual-card new“.
error-scenario = { $why ->
        [unknown] Zeile { $line } des Szenarios: Den Schlüssel „{ $key }“ gibt es dort nicht.
        [value] Zeile { $line } des Szenarios: „{ $key }“ ist dort so nicht möglich.
        [combination] Im Szenario passt „{ $key }“ nicht zu „{ $other }“.
        [card] Das Szenario passt nicht zu dieser Karte: Sie hat nichts, was „{ $key }“ ändern könnte.
        [contactless] „{ $key }“ im Szenario gibt es nur bei Karten ohne Kontakte.
        [reader] „{ $key }“ im Szenario kann der virtuelle Leser von PC/SC nicht.
       *[text] Das Szenario ist kein Text.
    }
    .remedy = { $why ->
        [unknown] Vielleicht ist „{ $nearest }“ gemeint; docs/card.md nennt alle Schlüssel.
        [value] docs/card.md nennt alle Schlüssel und was hinter ihnen stehen darf.
        [card] Nehmen Sie eine andere Karte, oder streichen Sie die Zeile.
        [contactless] Geben Sie --contactless an, oder streichen Sie die Zeile.
        [reader] Benutzen Sie die Karte mit --virtual-card, oder streichen Sie die Zeile.
       *[other] Berichtigen Sie die Datei; docs/card.md nennt alle Schlüssel.
    }
error-reader-port = Der virtuelle Leser ist unter dieser Adresse nicht zu erreichen.
    .remedy = Installieren Sie vsmartcard-vpcd, starten Sie pcscd, und prüfen Sie die Adresse hinter --vpcd.
error-session-forged = Zeile { $line } der Aufzeichnung stimmt nicht: { $what ->
        [step] dieser Schritt von PACE passt nicht zu den Schlüsseln und der Zugangsnummer (CAN) in der Datei
        [reader-token] der Beweis des Lesers passt nicht zu den Schlüsseln und der Zugangsnummer (CAN) in der Datei
        [card-token] der Beweis der Karte ist falsch
        [end] die Sitzung endet mitten in PACE
        [command] der Befehl ist nicht so gesichert, wie er sein muss
       *[answer] die Antwort ist nicht so gesichert, wie sie sein muss
    }. Nichts dahinter ist zu glauben.
    .remedy = Nehmen Sie eine unveränderte Aufzeichnung; stimmt auch die nicht, haben Karte oder Leser sich nicht an das Protokoll gehalten.

## Diagnose

doctor-step-service = Dienst für Kartenleser
doctor-step-rights = Rechte
doctor-step-driver = Treiber
doctor-step-reader = Kartenleser
doctor-step-card = Karte
doctor-step-card-type = Art der Karte
doctor-step-pin = PIN der Karte
doctor-step-clock = Uhr
doctor-step-network = Netz
doctor-step-account = Kontodienst
doctor-step-key-store = Schlüssel dieses Computers
doctor-step-session-store = Anmeldung
doctor-verdict-ok = in Ordnung
doctor-verdict-warning = Hinweis
doctor-verdict-failed = Fehler
doctor-verdict-skipped = nicht geprüft
doctor-service = Er läuft.
doctor-rights = Dieses Programm darf den Dienst benutzen.
doctor-driver = Der Dienst kennt mindestens einen Leser.
doctor-reader = { $readers }.
doctor-card = Sie antwortet.
doctor-egk = Gesundheitskarte der Generation { $generation }, gültig.
doctor-contactless = Gesundheitskarte der Generation { $generation } auf einem Leser ohne Kontakte. Sie braucht die Zugangsnummer (CAN), sechs Ziffern vorn auf der Karte.
    .remedy = Geben Sie die Zugangsnummer mit --can an; nur dann ist zu sehen, ob die Karte gültig ist.
doctor-not-yet-valid = Die Gesundheitskarte ist noch nicht gültig.
    .remedy = Prüfen Sie die Uhr dieses Computers, oder warten Sie bis zum ersten Tag der Gültigkeit.
doctor-pin = Es sind noch { $tries } Versuche übrig; für diese Auskunft wurde keiner benutzt.
doctor-pin-few = { $tries ->
        [one] Es ist nur noch ein Versuch übrig; für diese Auskunft wurde keiner benutzt.
       *[other] Es sind nur noch { $tries } Versuche übrig; für diese Auskunft wurde keiner benutzt.
    }
    .remedy = Sehen Sie im PIN-Brief nach, bevor Sie die PIN wieder eingeben. Eine richtige PIN gibt alle Versuche zurück; eine gesperrte entsperrt die PUK.
doctor-pin-verified = Ein anderes Programm hat die PIN eingegeben, und die Karte ist noch offen.
    .remedy = Ziehen Sie die Karte heraus und stecken Sie sie neu ein; dann ist sie wieder geschlossen.
doctor-pin-transport = Die Karte hat noch die Transport-PIN aus dem PIN-Brief.
    .remedy = Ersetzen Sie sie durch eine eigene PIN: „kartenbund card pin change“.
doctor-pin-empty = Die Karte hat noch keine PIN.
    .remedy = Wählen Sie eine: „kartenbund card pin change“. Nimmt die Karte keine an, bitten Sie Ihre Krankenkasse um eine PIN.
doctor-clock = Sie stimmt mit der des Kontodienstes überein.
doctor-clock-past = Sie steht in der Vergangenheit.
    .remedy = { $os ->
        [windows] Stellen Sie in den Einstellungen unter „Zeit und Sprache“ die Uhr automatisch.
        [macos] Stellen Sie in den Systemeinstellungen unter „Datum & Uhrzeit“ die Uhr automatisch.
       *[linux] Stellen Sie die Uhr: „sudo timedatectl set-ntp true“.
    }
doctor-clock-skew = { $seconds ->
        [one] Sie geht um eine Sekunde anders als die des Kontodienstes.
       *[other] Sie geht um { $seconds } Sekunden anders als die des Kontodienstes.
    }
    .remedy = { $os ->
        [windows] Stellen Sie in den Einstellungen unter „Zeit und Sprache“ die Uhr automatisch.
        [macos] Stellen Sie in den Systemeinstellungen unter „Datum & Uhrzeit“ die Uhr automatisch.
       *[linux] Stellen Sie die Uhr: „sudo timedatectl set-ntp true“.
    }
doctor-network = Es reicht bis zum Kontodienst.
doctor-account = Er antwortet mit dem Schlüssel der ersten Anmeldung, und Sie sind angemeldet.
doctor-account-no-session = Er antwortet mit dem Schlüssel der ersten Anmeldung. Sie sind zurzeit nicht angemeldet.
doctor-key-store = Er ist da; die Geräte-PIN wurde nicht gebraucht.
doctor-session-store = { $place ->
        [key_ring] Ihre Schlüssel liegen im Schlüsselbund des Desktops und lassen sich lesen.
       *[file] Ihre Schlüssel liegen in einer Datei, die nur Ihr Benutzerkonto lesen kann.
    }
doctor-key-store-pending = Eine Registrierung wurde gesendet, und die Antwort fehlt noch.
    .remedy = Schließen Sie sie ab: „kartenbund register“.
doctor-key-store-ends = Er ist da. Die Registrierung dieses Computers läuft bald ab.
    .remedy = Erneuern Sie sie vorher mit Gesundheitskarte und Geräte-PIN: „kartenbund devices rebind“.
doctor-skipped = { $why ->
        [image] Ein Kartenabbild steht für Leser und Karte.
        [unseen] Von hier aus ist der Dienst nicht zu sehen.
        [service] Dafür wird der Dienst für Kartenleser gebraucht.
        [usb] Hier lässt sich nicht sehen, was angeschlossen ist.
        [no-usb-reader] Am USB-Anschluss ist kein Kartenleser zu sehen.
        [driver] Zuerst muss der Dienst für Kartenleser den Leser erkennen.
        [reader] Dafür wird ein Kartenleser gebraucht.
        [card] Dafür wird eine Gesundheitskarte gebraucht, die antwortet.
        [card-type] Dafür wird eine Gesundheitskarte gebraucht, die sich benutzen lässt.
        [can] Dafür wird die Zugangsnummer gebraucht (--can).
        [clock] Zum Vergleich fehlt die Uhr des Kontodienstes.
        [no-account] Es gibt noch keinen Kontodienst: Auf diesem Computer hat sich niemand angemeldet.
        [address] Die Adresse des Kontodienstes ist nicht bekannt.
        [stranger] Unter der Adresse antwortet jemand; ob es der Dienst ist, lässt sich nicht sehen.
        [proxy] Dazwischen steht ein Proxy; weiter lässt sich von hier nicht sehen.
        [network] Dafür wird das Netz gebraucht.
        [no-device] Dieser Computer ist nicht registriert.
        [no-session] Hier hat sich noch niemand angemeldet.
       *[other] Es gibt hier nichts zu prüfen.
    }
doctor-report-title = Diagnosebericht von Kartenbund
doctor-report-private = Er enthält keine Namen, Nummern der Person oder Karte, PIN, Zertifikate, Ordner oder Namen des Computers.
## Schritte

step-check-service = Der Dienst weist sich aus
step-log-in = Anmeldung
step-set-password = Das neue Passwort wird gesetzt
step-ask-for-reset = Ein neues Passwort wird verlangt
step-wait-for-approval = Ein registriertes Gerät muss zustimmen
step-wait-for-new-device = Der neue Computer ist an der Reihe; das Programm muss dort noch laufen
step-identify-card = Karte erkennen
step-change-pin = Karte nimmt die neue PIN an
step-unblock-pin = Karte prüft die PUK
step-read-card = Karte lesen und Zertifikat prüfen
step-open-contactless = Verbindung zur Karte mit der Zugangsnummer schützen
step-read-pin-status = PIN-Versuche bei der Karte erfragen
step-make-device-key = Schlüssel für diesen Computer erzeugen
step-open-registration = Registrierung beim Dienst beginnen
step-verify-pin = Karte prüft die PIN
step-fetch-challenge = Aufgabe des Dienstes holen und prüfen
step-card-signs = Karte unterschreibt
step-code-signs = Schlüssel des Codes unterschreibt
step-send-evidence = Nachweis senden
step-fetch-approval = Antrag holen und prüfen
step-open-device-key = Geräte-PIN prüfen
step-change-device-pin = Neue Geräte-PIN einsetzen
step-wait-for-finger = Legen Sie einen Finger auf den Fingerabdruckleser
step-send-decision = Entscheidung senden und Quittung prüfen

wait-service = Der Dienst für Kartenleser (PC/SC) ist weg. Es wird gewartet, bis er wieder läuft.
wait-reader = { $reader ->
        [none] Bitte schließen Sie einen Kartenleser an.
       *[other] Bitte schließen Sie den Kartenleser „{ $reader }“ an.
    }
wait-card = { $reader ->
        [none] Bitte stecken Sie die Gesundheitskarte in den Kartenleser, den goldenen Chip voran.
       *[other] Bitte stecken Sie die Gesundheitskarte in das Lesegerät „{ $reader }“, den goldenen Chip voran.
    }
wait-mute = Die Karte antwortet nicht. Ziehen Sie sie heraus, drehen Sie sie um und stecken Sie sie wieder ein.
wait-end = Abbrechen mit Strg+C.

## Nummern, die man verwechselt

number-can = Zugangsnummer (CAN), 6 Ziffern
      Vorn auf der Gesundheitskarte, meist oben rechts. Nur für Leser ohne Kontakte.
      Keine CAN auf einer alten Karte: Sie kann nicht kontaktlos. Nehmen Sie einen
      Leser mit Schlitz, oder bitten Sie Ihre Krankenkasse um eine neue Karte.
number-card-pin = PIN der Gesundheitskarte, 6 bis 8 Ziffern
      Im PIN-Brief der Krankenkasse, oder selbst gewählt; nie auf der Karte.
      Kein PIN-Brief: Fragen Sie Ihre Krankenkasse. Sie prüft vorher, wer Sie sind,
      zum Beispiel in der Geschäftsstelle, mit PostIdent oder dem Personalausweis.
number-transport-pin = Transport-PIN, 5 Ziffern
      In manchen PIN-Briefen. Sie wird einmal durch eine eigene PIN ersetzt:
      kartenbund card pin change
number-puk = PUK, 8 Ziffern
      Im PIN-Brief. Sie entsperrt die PIN: kartenbund card pin unblock
      Verloren: Fragen Sie Ihre Krankenkasse; manche geben dann eine neue Karte aus.
number-device-pin = Geräte-PIN, 6 Ziffern
      Bei „kartenbund register“ selbst gewählt, gilt nur für diesen Computer.
      Vergessen: kartenbund register --replace
number-insurance-number = Versichertennummer (KVNR), ein Großbuchstabe und 9 Ziffern
      Vorn auf der Karte; für die Anmeldung. Sie ist keine PIN.
number-card-number = Kennnummer der Karte (ICCSN), 20 Ziffern
      Auf der Rückseite, beginnt mit 80276. Dieses Programm fragt nie danach.
number-payer-number = Kennnummer des Trägers (IK), 9 Ziffern
      Auf der Karte bei der Krankenkasse. Dieses Programm fragt nie danach.
looks-like-can = Sechs Ziffern hat die Zugangsnummer (CAN) vorn auf der Karte, und auch die Geräte-PIN. Mehr: „kartenbund help numbers“.
looks-like-puk = Acht Ziffern hat die PUK aus dem PIN-Brief. Mehr: „kartenbund help numbers“.
looks-like-transport-pin = Fünf Ziffern hat die Transport-PIN; eine eigene wählen: „kartenbund card pin change“.
looks-like-card-number = Zwanzig Ziffern hat die Kennnummer auf der Rückseite der Karte; sie ist hier nicht gemeint. Mehr: „kartenbund help numbers“.
looks-like-payer-number = Neun Ziffern hat die Kennnummer der Krankenkasse; sie ist hier nicht gemeint. Mehr: „kartenbund help numbers“.
looks-like-insurance-number = Ein Buchstabe und neun Ziffern, das ist die Versichertennummer; sie ist hier nicht gemeint. Mehr: „kartenbund help numbers“.

## Hinweise

notice-password-first = { $letter ->
        [yes] Das Passwort aus dem Brief ist damit benutzt; es gilt nur einmal. Wählen Sie jetzt ein eigenes.
       *[no] Wählen Sie jetzt ein eigenes Passwort; vorher ist nichts anderes möglich.
    }
notice-wrong-card-pin = Die Karten-PIN war falsch. { $tries ->
        [one] Es ist noch ein Versuch übrig.
       *[other] Es sind noch { $tries } Versuche übrig.
    }
notice-same-wrong-pin = Das ist dieselbe falsche PIN wie eben; sie wurde nicht noch einmal gesendet.
notice-card-not-reset = Es ist erledigt, aber die Karte ließ sich danach nicht zurücksetzen. Nehmen Sie sie aus dem Leser, damit ihre PIN nicht freigeschaltet bleibt.
notice-card-was-reset = Ein anderes Programm hat die Karte zurückgesetzt; es geht von vorn los. Eine PIN wird nur gesendet, wenn Sie sie noch einmal eingeben.
notice-keypad-contactless = Der Leser hat eine Tastatur, aber eine Karte ohne Kontakte ist über sie nicht zu erreichen. Geben Sie die PIN auf diesem Computer ein.
notice-keypad-does-not-fit = Der Leser hat eine Tastatur, aber sie ist dafür nicht gemacht. Die Eingabe geschieht auf diesem Computer.
notice-keypad-length = Das waren zu wenige oder zu viele Ziffern. Die Karte hat nichts davon gesehen; es wurde kein Versuch verbraucht.
notice-keypad-entries-differ = Die beiden Eingaben der neuen PIN waren verschieden. Die Karte hat nichts davon gesehen; es wurde kein Versuch verbraucht.
notice-approve-elsewhere = Nehmen Sie jetzt Ihr registriertes Gerät, zeigen Sie den Antrag „Weiteres Gerät“ an und stimmen Sie zu, bis { $until }: „kartenbund approvals approve { $id }“. Brechen Sie hier nicht ab.
notice-type-elsewhere = Tippen Sie auf dem registrierten Gerät diese Ziffern ein: { $string }
    Sagen Sie sie niemandem, auch nicht am Telefon.
notice-resumed = Die letzte Registrierung war schon angekommen und wurde abgeschlossen; die Karte wird nicht gebraucht.
notice-decision-had-arrived = Die Entscheidung war schon angekommen; ihre Quittung ist geprüft.
notice-old-device-locked = Ein Gerät, dessen Platz dieses hier einnimmt, ist gesperrt („kartenbund devices“ zeigt es) und nicht entfernt: Das geht mit der Gesundheitskarte oder an einem Gerät, das ebenso registriert wurde wie jenes oder mit der Karte. „kartenbund login --card“, dann „kartenbund devices remove ID“.
notice-old-device-not-in-use = Ein Gerät, dessen Platz dieses hier einnimmt, ist nicht entfernt. Es gibt nichts mehr frei, weil seine Registrierung abgelaufen ist („kartenbund devices“ zeigt es). Entfernen: „kartenbund login --card“, dann „kartenbund devices remove ID“.
notice-old-device-uncertain = Ob das Gerät, dessen Platz dieses hier einnimmt, gesperrt oder entfernt ist, hat der Dienst nicht bestätigt: Vielleicht gibt es noch frei. Sehen Sie nach („kartenbund devices“), und sperren Sie es, wenn es noch aktiv ist: „kartenbund devices lock ID“.
notice-no-device-secret = Hier gibt es keinen Schlüsselbund: Die Gerätedatei ist durch Geräte-PIN und Dienst geschützt, nicht auch noch durch den Schlüsselbund.
notice-key-in-tpm = Der Geräteschlüssel liegt im TPM dieses Computers und verlässt ihn nicht.
notice-tpm-not-allowed = Dieser Computer hat ein TPM, das Sie nicht benutzen dürfen: Der Geräteschlüssel liegt in einer Datei. Wer das TPM benutzen darf, ist in der Gruppe „tss“: „sudo usermod -aG tss $USER“, neu anmelden, dann „kartenbund register --replace“.
notice-tpm-broken = Das TPM dieses Computers antwortet nicht, wie es soll: Der Geräteschlüssel liegt in einer Datei.
notice-finger-not-read = Der Finger war nicht zu lesen. Legen Sie ihn noch einmal auf.
notice-finger-unknown = Diesen Finger kennt der Computer nicht. Versuchen Sie es mit einem anderen.
notice-pin-shared = Die Gerätedatei stammte aus einer früheren Version, in der die Geräte-PIN nur auf diesem Computer geprüft wurde. Ab jetzt zählt der Dienst mit: Nach fünf falschen Eingaben ist Schluss. Wer vorher eine Kopie der Datei gemacht hat, kann darin weiter raten; wenn Sie das fürchten: „kartenbund register --replace“.
notice-wrong-device-pins = { $tries ->
    [one] Seit Sie die Geräte-PIN zuletzt richtig eingegeben haben, war sie einmal falsch.
   *[other] Seit Sie die Geräte-PIN zuletzt richtig eingegeben haben, war sie { $tries }-mal falsch.
} Waren Sie das nicht, ändern Sie sie: „kartenbund devices change-pin“.
notice-many-wrong-device-pins = Seit der Registrierung war die Geräte-PIN { $tries }-mal falsch. Vielleicht hat jemand die Gerätedatei kopiert: Ändern Sie die Geräte-PIN („kartenbund devices change-pin“), dann ist eine Kopie wertlos. Nach 50 falschen Eingaben muss das Gerät neu registriert werden.
notice-clock-skew = Die Uhr dieses Computers geht um { $seconds } Sekunden anders als die des Dienstes. Stellen Sie sie bei Gelegenheit.

## Fragen

keypad-pin = Geben Sie die PIN der Gesundheitskarte jetzt am Kartenleser ein, nicht auf dieser Tastatur ({ $tries ->
        [one] letzter Versuch
       *[other] noch { $tries } Versuche
    }). Abbrechen können Sie am Leser.
keypad-new-pin = Geben Sie am Kartenleser, nicht auf dieser Tastatur, die bisherige PIN der Gesundheitskarte ein ({ $tries ->
        [one] letzter Versuch
       *[other] noch { $tries } Versuche
    }), dann zweimal eine neue mit 6 bis 8 Ziffern. Abbrechen können Sie am Leser.
keypad-puk = Geben Sie die PUK (8 Ziffern) jetzt am Kartenleser ein, nicht auf dieser Tastatur. Sie lässt sich höchstens zehnmal benutzen; jede Eingabe zählt, auch eine richtige. Abbrechen können Sie am Leser.
ask-revocation-code-what = Der Sperrcode steht auf dem Ausdruck: vier Gruppen aus fünf Zeichen. Er sperrt alle Geräte und beendet alle Anmeldungen.
ask-revocation-code = Sperrcode:
ask-letter-code-what = Der Code steht unter dem QR-Code im Brief Ihrer Krankenkasse oder auf Ihrem anderen Computer: neun Gruppen aus fünf Zeichen.
    Groß oder klein ist gleich. Sie können eine Gruppe eingeben oder mehrere auf einmal.
ask-letter-code = Ab Gruppe { $next } von { $of }:
ask-can-where = Auf diesem Leser braucht die Karte ihre Zugangsnummer (CAN): sechs Ziffern vorn
    auf der Karte, meist oben rechts; nicht die PIN. Keine CAN? Nehmen Sie einen
    Leser mit Schlitz, oder bitten Sie die Krankenkasse um eine neue Karte.
ask-can-again = Das ist nicht die Zugangsnummer dieser Karte. Es ist weder die PIN noch die Versichertennummer; versuchen Sie es noch einmal, gesperrt wird dabei nichts.
ask-can = Zugangsnummer (6 Ziffern):
ask-card-pin-what = Gemeint ist die PIN aus dem PIN-Brief oder Ihre eigene; nicht die CAN vorn auf
    der Karte, nicht die PUK, nicht die Geräte-PIN dieses Computers. Keine PIN? Die
    Krankenkasse prüft, wer Sie sind (vor Ort oder mit PostIdent), und schickt sie.
ask-card-pin = PIN der Gesundheitskarte (6 bis 8 Ziffern, { $tries ->
        [one] letzter Versuch
       *[other] noch { $tries } Versuche
    }):
ask-last-try = Es ist nur noch ein Versuch übrig. Ist die PIN wieder falsch, wird sie gesperrt und Sie brauchen die PUK.
    Trotzdem eingeben? [j/N]
ask-maybe-last-try = Die Karte sagt nicht, wie viele Versuche die Transport-PIN noch hat; dieser könnte der letzte sein.
    Trotzdem eingeben? [j/N]
ask-yes = j
ask-transport-pin-what = Die Transport-PIN steht im PIN-Brief und gilt, bis Sie eine eigene wählen:
    fünf Ziffern; nicht die CAN (sechs), nicht die PUK (acht).
ask-transport-pin = Transport-PIN aus dem PIN-Brief (5 Ziffern):
ask-new-card-pin-what = Wählen Sie eine PIN für die Karte, die niemand errät: nicht die CAN, kein
    Geburtsdatum. Sie gilt überall, wo nach der PIN dieser Karte gefragt wird.
ask-new-card-pin = Neue PIN für die Gesundheitskarte (6 bis 8 Ziffern):
ask-repeat-card-pin = Neue PIN der Gesundheitskarte noch einmal:
ask-puk-what = Die PUK steht im PIN-Brief: acht Ziffern; nicht die PIN, nicht die CAN.
    Sie geht höchstens zehnmal; jede Eingabe zählt, auch eine richtige.
    Keine PUK? Die Krankenkasse hilft mit PIN-Brief oder neuer Karte.
ask-puk = PUK (8 Ziffern):
ask-new-device-pin-what = Die Geräte-PIN denken Sie sich jetzt aus; sie gilt nur auf diesem Computer.
    Nehmen Sie nicht die PIN der Karte und nicht die CAN.
ask-new-device-pin = Neue Geräte-PIN für diesen Computer (genau 6 Ziffern):
ask-repeat-device-pin = Geräte-PIN noch einmal:
ask-device-pin-what = Gemeint sind die sechs Ziffern, die Sie bei „kartenbund register“ für diesen
    Computer gewählt haben; nicht die PIN der Karte, nicht die CAN.
    Vergessen? „kartenbund register --replace“ mit der Gesundheitskarte.
ask-device-pin = Geräte-PIN (6 Ziffern):
ask-password = Passwort:
ask-old-password = Bisheriges Passwort:
ask-new-password-what = Das Passwort denken Sie sich selbst aus, zum Beispiel vier Wörter, die nichts
    miteinander zu tun haben. Es darf lang sein und eingefügt werden.
    Danach gilt es überall: hier und auf den Seiten der Krankenkasse.
ask-new-password = Neues Passwort:
ask-repeat-password = Neues Passwort noch einmal:
ask-passwords-differ = Die beiden Eingaben sind verschieden; geben Sie das neue Passwort noch einmal ein.
ask-short-string = Ziffern, die der neue Computer zeigt (8 Ziffern):
ask-short-string-wrong = Das sind andere Ziffern. Wer sie dreimal falsch eingibt, lehnt ab. Haben Sie richtig abgelesen, steht jemand zwischen den Geräten: Brechen Sie ab und rufen Sie Ihre Krankenkasse an.
ask-match-code = Vergleichscode (2 Ziffern, steht dort, wo der Antrag gestellt wurde):

## Ausgaben

label-technical = Technisch
label-next = Weiter
label-code = Code
label-person = Person
label-insurance = Versicherung
label-card = Karte
label-certificate = Zertifikat
label-warning = Achtung
label-name = Name
label-kvnr = Versichertennummer
label-date-of-birth = Geburtsdatum
label-sex = Geschlecht
label-address = Anschrift
label-payer = Krankenkasse
label-valid = Gültig
label-issuer = Aussteller
label-serial = Seriennummer
label-iccsn = Kartennummer
label-generation = Generation
label-insured-type = Versichertenart
label-since = Seit
word-from = frühestens ab
word-since = seit
label-until = Bis
label-old = bisher
label-new = neu
label-account = Konto
label-asked = Verlangt
label-expires = gültig bis
label-state = Stand
label-level = Stufe

sex-m = männlich
sex-w = weiblich
sex-x = unbestimmt
sex-d = divers
insured-type-1 = Mitglied
insured-type-3 = familienversichert
insured-type-5 = Rentner/in

warning-certificate-expired = Das Zertifikat der Karte ist abgelaufen.
warning-certificate-not-yet-valid = Das Zertifikat der Karte gilt noch nicht.
warning-kvnr-check-digit = Die Prüfziffer der Versichertennummer im Zertifikat stimmt nicht.

slot-empty = keine Karte
slot-mute = Karte antwortet nicht (umdrehen)
slot-in-use = wird von einem anderen Programm benutzt
slot-other-card = andere Karte
slot-hba = Heilberufsausweis
slot-smc-b = Praxis- oder Institutionskarte
slot-egk = Gesundheitskarte { $generation }
slot-contactless = Gesundheitskarte { $generation }, ohne Kontakte
slot-old = Gesundheitskarte, zu alt
slot-error = Karte lässt sich nicht erkennen
readers-none = Es ist kein Kartenleser angeschlossen.

kind-address-change = Neue Anschrift
kind-bank-change = Neue Bankverbindung
kind-contact-change = Neue E-Mail-Adresse für Nachrichten
kind-web-login = Anmeldung auf der Website
kind-password-reset = Neues Passwort ohne das alte
kind-card-order = Neue Gesundheitskarte
kind-device-add = Weiteres Gerät
row-street = Straße
row-house-number = Hausnummer
row-supplement = Zusatz
row-postal-code = Postleitzahl
row-city = Ort
row-country = Land
row-iban = IBAN
row-account-holder = Kontoinhaber
row-email = E-Mail
row-insurer = Krankenkasse
row-website = Website
row-browser = Browser
row-network = Netz, aus dem sie kommt
row-reason = Grund
row-device-name = Gerät
row-unchanged = unverändert
card-reason-lost = verloren
card-reason-stolen = gestohlen
card-reason-broken = unbrauchbar
card-reason-name-changed = neuer Name
card-goes-to = Die Karte wird an diese Anschrift geschickt:
device-add-means = Mit diesem Gerät können danach Anträge in Ihrem Namen freigegeben werden.
device-add-when = Stimmen Sie nur zu, wenn Sie es selbst gerade eben registrieren. Sonst lehnen Sie ab.
device-add-digits = Lesen Sie die Ziffern selbst von dem Computer ab, der vor Ihnen steht. Nennt sie Ihnen jemand, etwa am Telefon, lehnen Sie ab: Es ist dessen Gerät.
row-none = –
decide-approve = Sie geben frei:
decide-deny = Sie lehnen ab:
decide-not-me = Sie melden, dass dieser Antrag nicht von Ihnen ist:
not-me-means = Der Antrag wird abgelehnt, alle anderen offenen Anträge werden zurückgezogen, alle anderen Anmeldungen beendet, und Ihr Passwort gilt nicht mehr. Ihre anderen Geräte werden gesperrt; dieses bleibt und entsperrt sie wieder, wenn es mit der Karte registriert wurde.
web-login-means = Wer zustimmt, meldet den Browser an, in dem jetzt der Vergleichscode steht.
web-login-code = Stimmen Sie nur zu, wenn Sie selbst gerade dort sind und den Code in Ihrem eigenen Browser lesen; niemand von Ihrer Krankenkasse nennt Ihnen einen.
not-me-means-reset = Der Antrag wird abgelehnt, alle anderen offenen Anträge werden zurückgezogen und alle anderen Anmeldungen beendet. Ihr Passwort gilt weiter; einen Tag lang kann niemand Fremdes Ihre Geräte nach einem neuen oder nach einer Anmeldung fragen.
choice-approve = Freigeben: kartenbund approvals approve { $id }
choice-deny = Ablehnen: kartenbund approvals deny { $id }
choice-not-me = Das war ich nicht: kartenbund approvals not-me { $id }
reset-means = Wer das verlangt hat, darf ein neues Passwort für Ihr Konto wählen und ist damit angemeldet.
reset-when = Stimmen Sie nur zu, wenn Sie es selbst gerade eben verlangt haben und den Code auf Ihrem eigenen Bildschirm sehen. Sonst lehnen Sie ab: Ihr Passwort bleibt dann, wie es ist.
reset-nobody = Niemand von Ihrer Krankenkasse bittet Sie je darum, hier zuzustimmen, und niemand nennt Ihnen dafür einen Code am Telefon.

state-pending = offen
state-approved = freigegeben
state-denied = abgelehnt
state-expired = abgelaufen
state-cancelled = zurückgezogen
state-superseded = durch einen neueren ersetzt
state-queued = freigegeben, wird ausgeführt am { $at }
state-executed = ausgeführt
state-failed = fehlgeschlagen
state-pending_wait = wartet
state-active = aktiv
state-locked = gesperrt
key-class-hwk = Schlüssel in Hardware, von einem TPM bestätigt
key-class-swk = Schlüssel nicht nachweislich in Hardware
key-in-file = Schlüssel in einer Datei
key-in-tpm = Schlüssel im TPM
device-until = gültig bis { $until }
device-used = zuletzt benutzt { $at }
device-never-used = noch nie benutzt
state-revoked = entfernt

done-login = Angemeldet bei { $insurer }.
insurer-hotline = Telefon der Krankenkasse: { $hotline }
session-place = { $place ->
        [key_ring] Die Schlüssel der Anmeldung liegen im Schlüsselbund des Desktops.
       *[file] Die Schlüssel der Anmeldung liegen in einer Datei, die nur Ihr Benutzerkonto lesen kann; ein Schlüsselbund wird nicht benutzt.
    }
session-left-behind = Im Schlüsselbund des Desktops können noch Schlüssel einer früheren Anmeldung liegen; er ließ sich nicht öffnen. Die nächste Anmeldung räumt sie weg.
accounts-none = Auf diesem Computer hat sich noch niemand angemeldet.
account-line = { $account }: { $insurer }; { $place ->
        [key_ring] Schlüssel der Anmeldung im Schlüsselbund
        [file] Schlüssel der Anmeldung in einer Datei
       *[none] keine Schlüssel einer Anmeldung
    }; { $device ->
        [registered] dieser Computer ist registriert
       *[none] dieser Computer ist nicht registriert
    }
done-password-first = Ihr eigenes Passwort gilt ab jetzt; das aus dem Brief können Sie wegwerfen.
done-password = Ihr neues Passwort gilt ab jetzt. Alle anderen Anmeldungen sind beendet; registrierte Geräte bleiben.
login-by-card = Ein neues Passwort können Sie jetzt ohne das alte wählen: „kartenbund password change“.
login-by-device = Ohne Passwort, mit diesem Gerät: Die Anmeldung hält länger als eine mit Passwort. Beenden: „kartenbund logout“.
reset-asked = Stimmen Sie jetzt auf Ihrem registrierten Gerät zu: „kartenbund approvals“. Der Vergleichscode ist { $code }; das geht bis { $until }. Hier wird solange gewartet.
done-reset-letter = Wenn es zu dieser Versichertennummer ein Konto gibt, kommt ein Brief mit einem Initialpasswort an die Anschrift, die Ihre Krankenkasse hat. Das bisherige Passwort gilt, bis Sie ein neues wählen.
done-sessions-ended = { $count ->
        [0] Es gab keine anderen Anmeldungen.
        [one] Eine Anmeldung ist beendet.
       *[other] { $count } Anmeldungen sind beendet.
    }
done-logout-everywhere = { $count ->
        [0] Abgemeldet; andere Anmeldungen gab es nicht.
        [one] Abgemeldet, hier und bei einer anderen Anmeldung.
       *[other] Abgemeldet, hier und bei { $count } anderen Anmeldungen.
    }
session-unnamed = Ein Programm ohne Namen
session-through = über:
origin-through = Eingereicht über
origin-with = Eingereicht mit: „{ $name }“ (so nennt sich das Programm)
origin-unnamed = Eingereicht mit einem Programm, das sich nicht nennt
this-session = diese Anmeldung
session-method-password = mit Passwort
session-method-initial-password = mit dem Passwort aus dem Brief
session-method-card = mit der Gesundheitskarte
session-method-device = mit einem registrierten Gerät und seiner PIN
session-method-device-approval = durch Freigabe auf einem registrierten Gerät
session-method-identity-provider = durch eine Identifizierung
session-method-reset = nach einem vergessenen Passwort
label-last-used = zuletzt benutzt
done-logout = Abgemeldet.
done-register = Dieser Computer ist registriert: „{ $name }“, Stufe { $level }.
done-rebind = Die Registrierung dieses Computers ist erneuert: „{ $name }“, Stufe { $level }, gültig bis { $until }.
rebind-soon = Die Registrierung dieses Computers läuft am { $until } ab. Erneuern Sie sie vorher mit Gesundheitskarte und Geräte-PIN: „kartenbund devices rebind“.
rebind-late = Die Registrierung dieses Computers ist seit { $until } abgelaufen. Erneuern Sie sie mit Gesundheitskarte und Geräte-PIN: „kartenbund devices rebind“.
done-register-waits = Freigeben kann er frühestens ab { $at }, sobald außerdem der Brief gedruckt ist, der davon berichtet: So kann jemand, der Ihren Code abgefangen hat, nichts tun, bevor Sie es merken.
screen-code-groups = Code:
screen-code-how = Er gilt einmal, bis { $until }, und nur solange dieser Computer angemeldet bleibt.
    Am anderen Computer: „kartenbund login --service { $service }“ mit Ihrem Passwort, dann
    „kartenbund register --method qr“ und die Gruppen abtippen.
screen-code-photo = Oder mit einem Foto des Bildes: „kartenbund register --image DATEI“.
screen-code-narrow = Für das Bild, das man fotografieren kann, ist dieses Fenster zu schmal. Machen Sie es breiter und zeigen Sie einen neuen Code, oder tippen Sie die Gruppen ab.
screen-code-warning = Zeigen und sagen Sie den Code niemandem: Wer ihn und Ihr Passwort hat, registriert ein Gerät in Ihrem Konto. Ihre Krankenkasse fragt nie danach.
done-letter-ordered = Der Brief mit dem Code ist bestellt. Er geht an die Anschrift, die Ihre Krankenkasse von Ihnen hat.
done-letter-ordered-before = Der Brief mit dem Code war schon bestellt und wird mit den nächsten Briefen gedruckt.
done-fingerprint-on = Die Freigaben werden auf diesem Computer erst nach einem Fingerabdruck gezeigt. Freigegeben wird weiter mit der Geräte-PIN.
done-fingerprint-off = Die Freigaben werden auf diesem Computer wieder ohne Fingerabdruck gezeigt.
done-device-pin-changed = Die Geräte-PIN ist geändert. Kopien der Gerätedatei von vorher sind wertlos.
done-pin-changed = Die PIN der Gesundheitskarte ist geändert.
done-pin-not-blocked = Die PIN der Gesundheitskarte hat noch alle Versuche; es gibt nichts zu entsperren. Die PUK wurde nicht benutzt.
done-pin-unblocked = Die PIN der Gesundheitskarte ist entsperrt.
pin-status-usable = { $tries ->
        [one] Die PIN lässt sich eingeben; es ist noch ein Versuch übrig.
       *[other] Die PIN lässt sich eingeben; es sind noch { $tries } Versuche übrig.
    }
pin-status-blocked = Die PIN ist gesperrt. Entsperren: kartenbund card pin unblock
pin-status-verified = Die PIN ist auf dieser Karte gerade freigeschaltet, aber nicht durch diesen Befehl.
pin-status-transport-pin = Die Karte hat noch die Transport-PIN aus dem PIN-Brief. Eigene PIN wählen: kartenbund card pin change
pin-status-empty-pin = Die Karte hat noch keine PIN. Eine wählen: kartenbund card pin change
pin-status-disabled = Die PIN dieser Karte ist abgeschaltet.
card-genuine = { $kind ->
        [test] Der Chip ist der aus seinem Zertifikat, unter der Testwurzel { $root }. Testkarten sind keine echten Gesundheitskarten.
       *[other] Der Chip ist echt, unter der Wurzel { $root }.
    }
    Kartennummer { $iccsn }, CA { $authority }.
card-genuine-honest = Das zeigt nicht, wessen Karte es ist, wer sie in der Hand hat oder ob sie gesperrt wurde. Mit einer echten Karte noch nicht bestätigt.
done-device-renamed = Das Gerät hat einen neuen Namen.
done-device-locked = Das Gerät ist gesperrt. Entsperren geht nach einer Anmeldung mit der Gesundheitskarte oder an einem anderen Gerät, das mit ihr registriert wurde.
done-devices-locked = Alle Geräte sind gesperrt. Entsperren geht nach einer Anmeldung mit der Gesundheitskarte.
done-device-unlocked = Das Gerät ist entsperrt.
done-device-unlocked-waits = Das Gerät ist entsperrt. Freigeben kann es noch nicht: Seine Wartezeit läuft weiter.
done-revocation-code = Ihr Sperrcode:
done-revocation-code-how = Drucken Sie ihn aus oder schreiben Sie ihn ab, und bewahren Sie ihn nicht beim Computer auf. Er wird nicht noch einmal gezeigt. Damit sperren Sie alles, ohne Anmeldung und von jedem Computer: „kartenbund emergency --service { $service }“.
done-revocation-page = Die Seite mit dem Sperrcode steht in { $path }. Drucken Sie sie aus, und löschen Sie die Datei dann.
revocation-page = SPERRCODE FÜR IHR KONTO

    Krankenkasse:    { $insurer }
    Erstellt:        { $day }

    Ihr Sperrcode:
revocation-page-below = Wozu er dient
    Ist Ihr Computer weg, oder ist jemand in Ihrem Konto, sperren Sie damit alle
    Geräte und beenden alle Anmeldungen. Das geht von jedem Computer mit
    Kartenbund, ohne Anmeldung und ohne Gesundheitskarte:

        kartenbund emergency --service { $service }

    { $hotline ->
        [none] Oder rufen Sie Ihre Krankenkasse an.
       *[other] Oder rufen Sie Ihre Krankenkasse an: { $hotline }
    }

    Bewahren Sie dieses Blatt nicht beim Computer auf. Der Code gilt einmal, und
    bis Sie einen neuen erstellen.
done-emergency = Der Sperrcode ist abgeschickt. Wenn es Ihrer ist, sind jetzt alle Geräte gesperrt und alle Anmeldungen beendet; der Code ist verbraucht.
done-device-removed = Das Gerät ist entfernt.
done-device-locked-first = Das Gerät ist ab jetzt gesperrt. Sobald die Gesundheitskarte diesen Computer registriert hat, ist es entfernt.
done-device-not-in-use = Das Gerät gibt nichts mehr frei: Seine Registrierung ist abgelaufen. Sobald die Gesundheitskarte diesen Computer registriert hat, ist es entfernt.
done-device-gone = Das Gerät wurde schon vorher entfernt.
devices-none = Es ist kein Gerät registriert.
this-computer = dieser Computer
approvals-none = Es gibt keine Anträge.
watch-begins = Neue Anträge werden gezeigt, sobald sie da sind. Ende mit Strg+C.
watch-lost = Die Verbindung zum Dienst ist weg; sie wird von selbst wieder aufgebaut.
watch-back = Die Verbindung zum Dienst steht wieder.
notices-to = Nachrichten gehen an { $email }. Ändern: kartenbund apply contact --email ADRESSE
notices-no-email = Ihre Krankenkasse hat keine E-Mail-Adresse von Ihnen; Wichtiges kommt mit der Post. Angeben: kartenbund apply contact --email ADRESSE
notices-language-de = Sprache: Deutsch
notices-language-en = Sprache: Englisch
notices-always = immer
notices-on = an
notices-off = aus
notices-kind = { $kind ->
        [device_added] Neues Gerät, mit Karten-PIN
        [device_added_without_pin] Neues Gerät, ohne Karten-PIN
        [device_added_by_screen] Neues Gerät, mit einem Code vom Bildschirm
        [device_rebound] Registrierung eines Geräts erneuert
        [device_revoked] Gerät entfernt
        [pin_wrong] Geräte-PIN dreimal falsch
        [pin_unconfirmed] Viele falsche Geräte-PINs
        [pin_used_up] Gerät entfernt, weil die Geräte-PIN zu oft falsch war
        [approval_waiting] Ein Antrag wartet auf Freigabe
        [password_reset_waiting] Ein neues Passwort wartet auf Freigabe
        [account_opened_by_card] Konto mit der Gesundheitskarte eröffnet
        [match_code_denied] Antrag abgelehnt, weil der Vergleichscode falsch war
        [not_me] Antrag als fremd gemeldet
        [address_changed] Anschrift geändert
        [bank_change_queued] Neue Bankverbindung freigegeben
        [bank_change_cancelled] Neue Bankverbindung zurückgezogen
        [card_ordered] Neue Gesundheitskarte bestellt
        [bank_changed] Bankverbindung geändert
        [contact_changed] E-Mail-Adresse geändert
        [login_from_new_client] Anmeldung mit einem neuen Programm
        [session_reused] Anmeldung beendet, weil zwei sie benutzt haben
        [cards_revoked] Gesundheitskarte gesperrt
        [password_set] Passwort festgelegt
        [password_changed] Neues Passwort
        [password_voided] Passwort als gestohlen gemeldet
        [letter_ordered] Brief mit Initialpasswort bestellt
        [account_suspended] Konto gesperrt
        [account_resumed] Konto wieder geöffnet
        [account_closed] Konto geschlossen
        [account_reopened] Konto nach dem Ende der Versicherung wieder geöffnet
       *[other] { $kind }
    }
done-apply = Der Antrag liegt zur Freigabe bereit.
done-apply-match-code = Vergleichscode: { $code }
done-apply-next = Freigeben: kartenbund approvals approve { $id }
done-cancel = Der Antrag ist zurückgezogen.
done-approve = Freigegeben. Stand: { $state }.
done-deny = Abgelehnt.
done-not-me = Abgelehnt. Alle anderen Anmeldungen sind beendet, offene Anträge zurückgezogen, und Ihr Passwort gilt nicht mehr. Wählen Sie ein neues, mit der Gesundheitskarte, einem registrierten Gerät oder einem Brief. Steht unter „kartenbund approvals“ etwas Freigegebenes, das Sie nicht wollen, ziehen Sie es zurück.
done-not-me-reset = Abgelehnt. Alle anderen Anmeldungen sind beendet und offene Anträge zurückgezogen. Ihr Passwort gilt weiter; einen Tag lang kann niemand Fremdes Ihre Geräte nach einem neuen oder nach einer Anmeldung fragen.
done-record = Aufgezeichnet: { $path }
done-compared = Die Karte antwortet auf jeden Befehl der Aufzeichnung wie damals.
done-replay = Die Aufzeichnung wurde bis zur letzten Zeile abgespielt.
explain-plain = offen
explain-pace = PACE
explain-secured = gesichert
explain-unreadable = verschlüsselt
explain-unknown = unbekannter Befehl
explain-no-answer = keine Antwort
explain-no-keys = Ein Teil ist verschlüsselt, und die Datei enthält die Schlüssel nicht.
explain-bytes = { $count ->
        [one] ein Byte
       *[other] { $count } Bytes
    }
status-ok = erledigt
status-corrupt = gelesen, aber die Prüfsumme stimmt nicht
status-end = gelesen bis zum Ende der Datei
status-deactivated = gewählt, aber abgeschaltet
status-transport-pin = die Transport-PIN muss erst ersetzt werden
status-empty-pin = es ist noch keine PIN gesetzt
status-pin-disabled = die PIN ist abgeschaltet
status-authentication = der Beweis gilt der Karte nicht
status-length = falsche Länge
status-not-allowed = nicht erlaubt, solange PIN oder PACE fehlen
status-blocked = gesperrt
status-conditions = geht jetzt nicht
status-no-file = nicht vorhanden
status-no-key = kein solcher Schlüssel und keine solche PIN
status-offset = hinter dem Ende der Datei
status-unsupported = die Karte kennt den Befehl nicht
status-other = anderes
status-tries = { $tries ->
        [0] kein Versuch übrig
        [one] noch ein Versuch übrig
       *[other] noch { $tries } Versuche übrig
    }
done-doctor = { $seen ->
        [warnings] Nichts Kaputtes gefunden; beachten Sie die Hinweise.
        [part] Soweit geprüft, hindert Sie nichts.
       *[all] Nichts gefunden, was Sie hindert.
    }
done-doctor-report = Bericht geschrieben: { $path }. Lesen Sie ihn, bevor Sie ihn weitergeben.
done-evidence-export = Nachweis geschrieben: { $path }
evidence-omitted = { $count ->
        [one] Eine ältere Entscheidung passt nicht in die Datei; lassen Sie ihren Nachweis einzeln ausgeben.
       *[other] { $count } ältere Entscheidungen passen nicht in die Datei; lassen Sie deren Nachweise einzeln ausgeben.
    }
done-virtual-card = Kartenabbild geschrieben: { $path } (PIN { $pin }, CAN { $can })
virtual-card-running = Die Karte steckt im virtuellen Leser { $address }. Beenden mit Strg+C.

link-trust-list = Die ganze, unveränderte Vertrauensliste, die den Aussteller der Karte nennt
link-certificate = Das Zertifikat der Karte ist von einer bekannten Stelle ausgestellt und galt
link-revocation = Der Aussteller der Karte hat bestätigt, dass sie nicht gesperrt war, als sie das Gerät gebunden hat
link-card-signature = Die Karte hat den Schlüssel des Geräts unterschrieben
link-code-signature = Der Schlüssel eines Codes hat den Schlüssel des Geräts unterschrieben
link-chip-signature = Der Chip einer Gesundheitskarte hat den Schlüssel des Geräts unterschrieben
link-device-addition = Ein Gerät, das die Karte gebunden hat, hat den Schlüssel des Geräts freigegeben
link-device-possession = Das Gerät hat bewiesen, dass es den Schlüssel hat
link-binding-receipt = Der Dienst hat die Bindung angenommen
link-binding-audit = Das Protokoll des Dienstes hält die Bindung an ihrer Stelle fest
link-document = Das Dokument ist unverändert und gehört zur selben Person
link-decision = Das Gerät hat die Entscheidung unterschrieben
link-decision-receipt = Der Dienst hat die Entscheidung angenommen
link-decision-audit = Das Protokoll des Dienstes hält die Entscheidung an ihrer Stelle fest
rests-on-card-issuer = beruht auf der Unterschrift des Kartenausstellers; wann, sagt der Dienst
rests-on-trust-list-signer = beruht auf der Unterschrift der Vertrauensliste; wann, sagt der Dienst
rests-on-ocsp-responder = beruht auf der Unterschrift der Auskunft über Sperrungen (OCSP); wann, sagt der Dienst
rests-on-chip-root = beruht auf der Wurzel, die für den Chip bürgt, und auf seiner Unterschrift; wessen Karte es ist, sagt der Dienst
rests-on-card = beruht auf der Unterschrift der Gesundheitskarte
rests-on-device = beruht auf der Unterschrift des Geräts
rests-on-service = beruht auf dem Wort des Dienstes
rests-on-service-unpinned = beruht auf dem Wort des Dienstes, dessen Schlüssel nur im Nachweis selbst steht
result-holds = gilt
result-fails = GILT NICHT
result-not-checked = nicht geprüft
result-absent = nicht enthalten
evidence-of-device = Gerät { $id }:
evidence-of-approval = Freigabe { $id }:
evidence-person = Die Karte von { $kvnr } hat das Gerät am { $at } gebunden (Stufe { $level }).
evidence-person-by-word = Das Gerät wurde am { $at } ohne die Karten-PIN an das Konto von { $kvnr } gebunden (Stufe { $level }).
evidence-code-shown = { $by ->
        [card] Der Code stand auf einem Bildschirm, wo jemand mit Gesundheitskarte und Karten-PIN angemeldet war; das sagt der Dienst.
       *[device] Der Code stand auf einem Bildschirm, wo jemand mit einem registrierten Gerät angemeldet war; das sagt der Dienst.
    }
evidence-approved = Das Gerät hat am { $at } freigegeben:
evidence-denied = Das Gerät hat am { $at } abgelehnt:
evidence-stands = Bindung und Entscheidungen stehen auf den Unterschriften von Karte und Gerät; dem Dienst muss man sie nicht glauben.
evidence-stands-on-word = Dass ein Gerät der Stufe B1 oder B2 dieser Person gehört, muss man dem Dienst glauben: Nur er wusste, wem er den Brief schickt oder wer angemeldet war, wo ein Code gezeigt wurde. Die Entscheidungen selbst hat das Gerät unterschrieben.
evidence-not-me = Das Gerät hat am { $at } abgelehnt, weil der Antrag nicht von der Person sei:
evidence-honest = Nicht geprüft: ob die Karte gesperrt war (Sperrliste), und ob der Schlüssel des Geräts in falsche Hände kam. Zeiten nennt der Dienst.
evidence-honest-after-ocsp = Nicht geprüft: ob der Schlüssel des Geräts in falsche Hände kam, und ob die Karte später gesperrt wurde. Zeiten nennt der Dienst.

## Ereignisse des Kontos (kartenbund events)

events-none = Es ist noch nichts geschehen.
by-owner = in Ihrem Namen
by-stranger = von jemandem, der sich nicht ausgewiesen hat
by-operator = von Ihrer Versicherung
by-service = vom Dienst selbst
event-account-imported = Konto angelegt
event-account-updated = Daten aus dem Mitgliederverzeichnis geändert
event-account-letter-ordered = Brief mit einem Anfangspasswort bestellt
event-account-initial-password-used = Anfangspasswort benutzt
event-account-identified = Person durch einen Identitätsdienst festgestellt
event-account-opened-by-card = Konto mit Karte und Karten-PIN eröffnet
event-account-password-set = Passwort gesetzt
event-account-password-not-set = Neues Passwort abgelehnt
event-account-password-rehashed = Passwort sicherer gespeichert, ohne Änderung für Sie
event-account-reset-ordered = Neues Passwort auf dem Weg
event-account-password-stolen = Passwort als gestohlen gemeldet; es gilt nicht mehr
event-account-suspended = Konto gesperrt
event-account-resumed = Konto wieder geöffnet
event-account-closed = Konto geschlossen, die Mitgliedschaft ist zu Ende
event-account-readmitted = Wieder im Verzeichnis der Versicherten; das Konto kann neu eröffnet werden
event-account-reopened = Konto wieder geöffnet, die Mitgliedschaft geht weiter
event-account-revocation-code-made = Neuer Sperrcode
event-account-revocation-code-used = Alles mit dem Sperrcode gesperrt
event-account-cards-revoked = Gesundheitskarten gesperrt
event-account-sessions-ended = Alle Anmeldungen beendet
event-session-opened = Angemeldet
event-session-refused = Anmeldung abgelehnt
event-session-closed = Abgemeldet
event-session-ended = Eine Anmeldung von anderswo beendet
event-session-reused = Anmeldung beendet, weil zwei sie benutzt haben
event-registration-opened = Registrierung eines Geräts begonnen
event-registration-challenged = Karte und Gerät um ihre Unterschrift gebeten
event-registration-refused = Registrierung eines Geräts abgelehnt
event-device-bound = Gerät registriert
event-device-rebound = Registrierung eines Geräts mit der Karte erneuert
event-device-activated = Wartezeit eines Geräts vorbei; es kann freigeben
event-device-renamed = Gerät umbenannt
event-device-locked = Gerät gesperrt
event-device-unlocked = Gerät entsperrt
event-device-waits-again = Gerät entsperrt; es wartet weiter
event-device-expired = Registrierung eines Geräts abgelaufen
event-device-revoked = Gerät entfernt
event-registration-nonce-given = Ein registriertes Gerät hat begonnen, ein neues zu prüfen
event-registration-nonce-shown = Das neue Gerät zeigt die Ziffern zum Vergleichen
event-registration-attestation-asked = TPM eines neuen Geräts soll sich ausweisen
event-registration-pin-evaluated = Geräte-PIN eines neuen Geräts gesetzt
event-device-pin-evaluated = Geräte-PIN ausprobiert
event-device-pin-confirmed = Geräte-PIN richtig
event-device-pin-share-made = Änderung einer Geräte-PIN begonnen
event-device-pin-changed = Geräte-PIN geändert
event-device-pin-used-up = Gerät entfernt, weil die Geräte-PIN zu oft falsch war
event-device-code-ordered = Brief mit einem Code für ein Gerät bestellt
event-device-code-shown = Code für ein Gerät auf einem Bildschirm gezeigt
event-device-code-superseded = Code auf einem Bildschirm durch einen neuen ersetzt
event-device-code-failed = Falscher Code für ein Gerät
event-device-code-voided = Code für ein Gerät ungültig: zu oft falsch
event-application-submitted = Antrag gestellt
event-application-approved = Antrag freigegeben
event-application-denied = Antrag abgelehnt
event-application-superseded = Antrag durch einen neueren ersetzt
event-application-not-me = Antrag als fremd gemeldet und abgelehnt
event-application-match-code-wrong = Falscher Vergleichscode
event-application-expired = Antrag abgelaufen
event-application-cancelled = Antrag zurückgezogen
event-application-executed = Antrag ausgeführt
event-application-failed = Antrag fehlgeschlagen
event-letter-created = Brief erstellt
event-letter-cancelled = Brief zurückgezogen
event-letter-failed = Brief nicht druckbar
event-notifications-set = Einstellungen der Nachrichten geändert
event-notice-failed = Nachricht nicht zustellbar
event-service-key-announced = Nächster Schlüssel des Dienstes angekündigt
event-service-key-activated = Neuer Schlüssel des Dienstes in Gebrauch genommen
event-service-key-retired = Früherer Schlüssel des Dienstes außer Gebrauch
event-service-key-revoked = Schlüssel des Dienstes gesperrt: Jemand könnte ihn gestohlen haben
event-trust-list-taken = Vertrauensliste mit den Ausstellern der Karten übernommen
event-web-login-asked = Anmeldung auf der Website zur Freigabe vorgelegt
event-web-login-taken = Freigegebene Anmeldung auf der Website begonnen
event-web-login-voided = Vorgelegte Anmeldung auf der Website verfallen
event-password-reset-asked = Neues Passwort ohne das alte verlangt
event-password-reset-voided = Verlangtes neues Passwort verfallen
event-password-reset-taken = Neues Passwort ohne das alte gewählt

## Vorführung

demo-title = Kartenbund: von der Gesundheitskarte zum freigegebenen Antrag
demo-card = Eine erfundene Person bekommt eine Gesundheitskarte: { $name }, { $kvnr }
demo-pcsc = Die Karte wird in den virtuellen Leser am PC/SC-Dienst gesteckt: { $reader }
demo-service = Der Kontodienst startet mit einer leeren Datenbank: { $address }
demo-import = Das Konto kommt aus dem Register der Krankenkasse
demo-letter = Der Brief mit dem Anfangspasswort liegt für die Druckerei bereit: { $path }
demo-login = Anmeldung mit Versichertennummer und Passwort
demo-password = Das Anfangspasswort gilt nur einmal: Die Person wählt ein eigenes
demo-register = Registrierung dieses Computers mit Karte und Karten-PIN
demo-registered = Registriert: Stufe { $level }, denn die Karte selbst hat den Geräteschlüssel unterschrieben
demo-apply = Ein Antrag auf neue Anschrift wird gestellt; Vergleichscode { $code }
demo-approve = Freigabe auf dem Gerät, mit Vergleichscode und Geräte-PIN
demo-approved = Freigegeben und ausgeführt; die Quittung des Dienstes ist geprüft
demo-evidence = Der Nachweis wird ausgegeben und ohne Netz und Dienst geprüft
demo-tampered = Eine Fälschung (andere Hausnummer) wird erkannt: { $link }
demo-done = Alles hat geklappt, in { $seconds },{ $tenths } Sekunden.
demo-files = Die Dateien liegen in { $path }
demo-again = Selbst prüfen: { $command }

ask-kvnr-what = Sie steht vorn auf der Karte: ein Großbuchstabe und neun Ziffern.
    Nicht die CAN (sechs Ziffern), nicht die Kennnummer der Krankenkasse (neun).
ask-kvnr = Versichertennummer (ein Großbuchstabe und neun Ziffern):

## Hilfe

help-usage = Aufruf
help-commands = Befehle
help-command = BEFEHL
help-options = Angaben
help-optional = [ANGABEN]
help-default = [sonst:{" "}
help-possible = [möglich:{" "}
arg-help = Diese Hilfe
arg-version = Version des Programms
arg-json = Ergebnis als JSON, für Skripte
arg-lang = Sprache: de oder en
arg-everywhere = Auch alle anderen Anmeldungen beenden
arg-others = Alle Anmeldungen außer dieser
arg-account = Wessen Konto, wenn mehrere Personen diesen Computer benutzen; ein Name, den Sie wählen
arg-no-key-ring = Den Schlüsselbund des Desktops nicht benutzen
arg-no-tpm = Das TPM des Computers für neue Geräteschlüssel nicht benutzen
arg-tcti = Welches TPM, wie der TPM2-Software-Stack es schreibt; sonst device:/dev/tpmrm0
arg-home = Ordner für die Dateien dieses Computers
arg-reader = Name des Kartenlesers, wie „kartenbund readers“ ihn zeigt
arg-virtual-card = Kartenabbild anstelle eines Lesers
arg-can = Zugangsnummer vorn auf der Karte, für Leser ohne Kontakte
arg-contactless = Das Kartenabbild so benutzen, als läge die Karte auf einem Leser ohne Kontakte
arg-scenario = Zustand der Karte und Eigenheiten des Lesers (docs/card.md)
arg-short-apdus = Nur kurze Befehle an die Karte senden
arg-wait = Höchstens so viele Sekunden auf Leser und Karte warten; 0: gar nicht. Sonst wartet das Programm nur in einem Terminal
arg-watch = Warten und jeden neuen Antrag sofort zeigen, wie „approvals watch“
arg-report = Bericht zum Weitergeben in diese neue Datei schreiben, ohne persönliche Angaben
arg-out = Datei, die geschrieben wird
arg-explain = Die Sitzung zeigen, Befehl für Befehl, entschlüsselt und geprüft
arg-file = Datei, die gelesen wird
arg-card-image = Kartenabbild (XML)
arg-vpcd = Adresse des virtuellen Lesers
arg-kvnr = Versichertennummer: ein Großbuchstabe und neun Ziffern
arg-name = Name
arg-birth-date = Geburtsdatum
arg-sex = Geschlecht: M, W, X oder D
arg-payer-ik = Nummer der Krankenkasse (IK, neun Ziffern)
arg-payer-name = Name der Krankenkasse
arg-rsa = Alte Karte der Generation 2, die nur RSA-Schlüssel hat
arg-iccsn = Kartennummer (20 Ziffern)
arg-not-before = Erster Tag des Zertifikats
arg-not-after = Letzter Tag des Zertifikats
arg-service = Adresse des Dienstes: https://…
arg-device = Mit einem registrierten Gerät und seiner PIN, ohne Passwort
arg-card = Mit der Gesundheitskarte und ihrer PIN
arg-letter = Einen Brief mit einem Initialpasswort bestellen
arg-password-fd = Passwörter von diesem Dateideskriptor lesen, je Zeile eines in der Reihenfolge der Fragen
arg-pin-fd = PINs von diesem Dateideskriptor lesen, je Zeile eine
arg-no-picture = Nur die Gruppen zum Abtippen zeigen, kein Bild
arg-no-keypad = PINs auf diesem Computer eingeben, auch wenn der Kartenleser eine Tastatur hat
arg-method = Wie das Gerät gebunden wird
arg-image = Code aus einem Bild lesen, PNG oder JPEG: Foto, Scan oder Bildschirmfoto
arg-clipboard = Code aus einem Bild oder Text in der Zwischenablage lesen
arg-code-fd = Code von diesem Dateideskriptor lesen, in einer Zeile
arg-order-letter = Nur einen Brief mit einem Code bestellen
arg-device-name = Wie dieser Computer in der Liste der Geräte heißen soll
arg-keep-pin = Die bisherige PIN behalten und ihr nur alle Versuche zurückgeben
arg-replace = Neu registrieren, obwohl dieser Computer schon registriert ist; mit einer ID aus „kartenbund devices“: an der Stelle jenes Geräts
arg-lost = Gerät (ID aus „kartenbund devices“), das verloren ist: Es wird sofort entfernt oder, nur mit dem Passwort, sofort gesperrt und durch die Karte entfernt
arg-allow-last-try = Auch den letzten Versuch der Karten-PIN benutzen
arg-id = Nummer, wie die Liste sie zeigt
arg-whole-account = Alles zu diesem Konto: jedes Gerät und jede Entscheidung
arg-limit = So viele der neuesten Ereignisse zeigen
arg-street = Straße
arg-house-number = Hausnummer
arg-postal-code = Postleitzahl
arg-city = Ort
arg-country = Land, wie auf dem Autokennzeichen
arg-supplement = Zusatz zur Anschrift
arg-iban = IBAN
arg-account-holder = Kontoinhaber
arg-email = E-Mail-Adresse, an die Nachrichten gehen
arg-reason = Warum: verloren, gestohlen, unbrauchbar, neuer Name
arg-language = Sprache der Nachrichten: de oder en
arg-on = Diese Nachrichten wieder senden; mehrfach möglich
arg-off = Diese Nachrichten nicht mehr senden; mehrfach möglich
arg-match-code = Vergleichscode, der beim Stellen des Antrags gezeigt wurde
arg-cvc-root = Zertifikat einer Wurzel, die für Chips bürgt (CVC); mehrere möglich
arg-tsl-anchor = Zertifikat der CA, die den Unterzeichner der Vertrauensliste (TSL) ausgestellt hat (PEM); ohne beruht die Liste auf dem Dienst
arg-chip-root = Zertifikat einer Wurzel, die für Chips bürgt (CVC); ohne beruht auf dem Dienst, ob der Chip echt ist; mehrere möglich
arg-ocsp-responder = Zertifikat der Auskunft über gesperrte Karten (OCSP, PEM); ohne beruht diese Auskunft auf dem Dienst
arg-anchor = Zertifikat der CA, die die Karte ausgestellt hat (PEM); mehrfach möglich
arg-service-key = Öffentliche Schlüssel des Dienstes (JWK oder JWK Set; mehrmals möglich)
arg-service-fingerprint = Schlüssel-Fingerabdruck des Dienstes, wie ihn die Krankenkasse nennt: nur mit diesem Schlüssel wird angemeldet, auch wenn bisher ein anderer galt
arg-dir = Ordner für die Dateien der Vorführung
arg-pcsc = Über den echten PC/SC-Dienst und einen virtuellen Leser
cmd = Bindet diesen Computer mit der Gesundheitskarte an Ihr Konto bei der Krankenkasse
cmd-readers = Kartenleser und was darin steckt
cmd-read = Gesundheitskarte lesen, ohne PIN
cmd-record = Wie read, und die Befehle an die Karte als Datei aufzeichnen
cmd-doctor = Prüft Dienst, Rechte, Treiber, Leser, Karte, Uhr, Netz und Kontodienst, und sagt, was hilft
cmd-replay = Eine Aufzeichnung abspielen; mit --reader oder --virtual-card: ihre Befehle an diese Karte senden und die Antworten vergleichen
cmd-virtual-card = Gesundheitskarte in Software
cmd-virtual-card-new = Eine erfundene Karte machen
cmd-virtual-card-run = Eine Karte in den virtuellen Leser des PC/SC-Dienstes stecken
cmd-card = Die Gesundheitskarte selbst
cmd-card-pin = Die PIN der Gesundheitskarte
cmd-card-pin-status = Zeigt, ob sie sich eingeben lässt und wie viele Versuche übrig sind
cmd-card-pin-change = Eine neue PIN wählen, mit der alten oder der Transport-PIN
cmd-card-pin-unblock = Mit der PUK entsperren
cmd-card-genuine = Zeigt, ob der Chip echt ist, ohne PIN; nicht, wessen Karte es ist
cmd-login = Anmelden
cmd-password = Das Passwort Ihres Kontos
cmd-password-change = Ein neues Passwort wählen
cmd-password-reset = Ein vergessenes Passwort ersetzen: mit der Gesundheitskarte, mit einem registrierten Gerät oder durch einen Brief
cmd-sessions = Anmeldungen an Ihrem Konto, hier und anderswo
cmd-sessions-list = Alle Anmeldungen zeigen
cmd-sessions-end = Eine Anmeldung beenden, oder mit --others alle anderen
cmd-accounts = Konten auf diesem Computer
cmd-logout = Abmelden
cmd-register = Diesen Computer registrieren
cmd-devices = Registrierte Geräte
cmd-devices-list = Alle Geräte zeigen
cmd-devices-remove = Ein Gerät für immer entfernen
cmd-devices-rename = Einem Gerät einen anderen Namen geben
cmd-devices-lock = Ein Gerät sperren
cmd-devices-lock-all = Alle Geräte sperren
cmd-devices-unlock = Ein Gerät entsperren (gleich nach „kartenbund login --card“)
cmd-devices-revocation-code = Einen neuen Sperrcode erstellen und zeigen
cmd-emergency = Alles sperren, mit dem Sperrcode und ohne Anmeldung
cmd-devices-fingerprint = Die Freigaben erst nach einem Fingerabdruck zeigen
cmd-devices-fingerprint-on = Einschalten
cmd-devices-fingerprint-off = Ausschalten; braucht die Geräte-PIN
cmd-devices-code = Einen Code zeigen, mit dem ein anderer Computer registriert wird; braucht die Geräte-PIN oder --card
cmd-devices-rebind = Die Registrierung dieses Computers mit der Gesundheitskarte erneuern; Gerät und Geräte-PIN bleiben
cmd-devices-change-pin = Die Geräte-PIN dieses Computers ändern
cmd-apply = Einen geschützten Antrag stellen
cmd-apply-address = Neue Anschrift
cmd-apply-bank = Neue Bankverbindung
cmd-apply-contact = Neue E-Mail-Adresse für Nachrichten
cmd-apply-card = Neue Gesundheitskarte
cmd-apply-cancel = Einen Antrag zurückziehen
cmd-approvals = Anträge und Freigaben
cmd-approvals-list = Alle Anträge zeigen
cmd-approvals-watch = Warten und jeden neuen Antrag sofort zeigen, bis Strg+C
cmd-approvals-show = Einen Antrag zeigen
cmd-approvals-approve = Freigeben
cmd-approvals-deny = Ablehnen
cmd-approvals-not-me = „Das war ich nicht“: ablehnen, andere Anmeldungen beenden, das Passwort ungültig machen
cmd-help = Erklärungen
cmd-help-numbers = CAN, Karten-PIN, PUK, Geräte-PIN und Kennnummern auseinanderhalten, und was ohne sie hilft
cmd-notices = Nachrichten über Ihr Konto
cmd-notices-show = Zeigen, welche Nachrichten wohin gehen
cmd-notices-settings = Sprache wählen, Nachrichten an- und abschalten
cmd-events = Was in Ihrem Konto geschehen ist
cmd-evidence = Nachweise
cmd-evidence-export = Einen Nachweis als Datei ausgeben
cmd-evidence-verify = Einen Nachweis prüfen, ohne Netz und ohne Dienst
cmd-demo = Alles einmal vorführen, mit erfundener Person
