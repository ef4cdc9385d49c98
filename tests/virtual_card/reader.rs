//! What happens between the virtual card and the reader it is plugged into (vpcd). The reader is played by the test.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use kartenbund::virtual_card::VirtualCard;
use kartenbund::virtual_card::vpcd::{Step, Unplugged, plug};

/// As little of a card as can be plugged in: a PIN, and a file with its name.
const CARD: &str = r#"<card><objectSystem><attribute id="root"><child id="MF" objectType="ADF"><children>
<child id="PIN.CH" objectType="PWD"><attributes>
    <attribute id="pwdIdentifier">01</attribute>
    <attribute id="accessRules">CB{[ACTIVATED,1,{({80||20||00||01,00||20||00||01},ALW)}]}</attribute>
    <attribute id="startRetryCounter">03</attribute>
    <attribute id="secret">26123456FFFFFFFF</attribute>
</attributes></child>
<child id="EF.GDO" objectType="TransparentElementaryFile"><attributes>
    <attribute id="body">5A0A80276999990000000017</attribute>
    <attribute id="positionLogicalEndOfFile">FFFD</attribute>
    <attribute id="shortFileIdentifier">02</attribute>
    <attribute id="accessRules">CB{[ACTIVATED,1,{({00||b0||??||??},ALW)}]}</attribute>
</attributes></child>
</children></child></attribute>
<attribute id="coldAnswerToReset">3B9096 81B1FE451F0391</attribute></objectSystem></card>"#;
const STATUS: [u8; 4] = [0x80, 0x20, 0x00, 0x01];
const RIGHT_PIN: [u8; 13] = [0x00, 0x20, 0x00, 0x01, 0x08, 0x26, 0x12, 0x34, 0x56, 0xFF, 0xFF, 0xFF, 0xFF];
const WRONG_PIN: [u8; 13] = [0x00, 0x20, 0x00, 0x01, 0x08, 0x26, 0x65, 0x43, 0x21, 0xFF, 0xFF, 0xFF, 0xFF];

/// A reader that waits for its card.
struct Reader(TcpListener);

impl Reader {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    fn accept(&self) -> Line {
        let (stream, _) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Line(stream)
    }
}

/// A card in the reader.
struct Line(TcpStream);

impl Line {
    /// Writes length and content separately, as vpcd does.
    fn write(&mut self, message: &[u8]) {
        self.0.write_all(&u16::try_from(message.len()).unwrap().to_be_bytes()).unwrap();
        self.0.write_all(message).unwrap();
    }

    fn read(&mut self) -> Vec<u8> {
        let mut length = [0; 2];
        self.0.read_exact(&mut length).unwrap();
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        self.0.read_exact(&mut message).unwrap();
        message
    }

    fn send(&mut self, command: &[u8]) -> String {
        self.write(command);
        hex::encode_upper(self.read())
    }

    fn is_empty(&mut self) -> bool {
        match self.0.read(&mut [0; 1]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

/// A card that is being plugged in on another thread; gives the card back when it is out again.
struct Plugged {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(VirtualCard, Unplugged)>,
}

impl Plugged {
    fn new(mut card: VirtualCard, address: SocketAddr, step: impl FnMut(&[u8]) -> Step + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let end = plug(&mut card, address, &told, step).unwrap();
            (card, end)
        });
        Self { stop, thread }
    }

    fn stop(self) -> VirtualCard {
        self.stop.store(true, Ordering::Relaxed);
        let (card, end) = self.thread.join().unwrap();
        assert_eq!(end, Unplugged::Stopped);
        card
    }

    fn pulled(self) -> VirtualCard {
        let (card, end) = self.thread.join().unwrap();
        assert_eq!(end, Unplugged::Pulled);
        card
    }
}

fn card() -> VirtualCard {
    VirtualCard::load(CARD).unwrap()
}

fn answer(_: &[u8]) -> Step {
    Step::Answer
}

#[test]
fn the_reader_asks_who_is_there_and_passes_commands_on() {
    let reader = Reader::new();
    let plugged = Plugged::new(card(), reader.address(), answer);
    let mut line = reader.accept();
    line.write(&[1]);
    assert_eq!(line.send(&[4]), "3B909681B1FE451F0391");
    assert_eq!(line.send(&STATUS), "63C3");
    assert_eq!(line.send(&[0x00, 0xB0, 0x82, 0x00, 0x02]), "5A0A9000");
    // Words nobody knows, and nothing at all, are no commands.
    line.write(&[3]);
    line.write(&[]);
    assert_eq!(line.send(&[0x00, 0xA4]), "6700");
    plugged.stop();
    assert!(line.is_empty());
}

#[test]
fn the_longest_answer_passes_and_messages_come_in_pieces() {
    let reader = Reader::new();
    let plugged = Plugged::new(card(), reader.address(), answer);
    let mut line = reader.accept();
    assert_eq!(line.send(&[0x00, 0xB0, 0x82, 0x00, 0x00, 0x00, 0x00]).len(), 2 * 65_535);
    for byte in [&[0x00, 0x04], &STATUS[..]].concat() {
        line.0.write_all(&[byte]).unwrap();
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(line.read(), [0x63, 0xC3]);
    assert_eq!(line.send(&[0x00; 65_535]), "6D00");
    plugged.stop();
}

#[test]
fn power_and_reset_close_what_the_pin_opened() {
    let reader = Reader::new();
    let plugged = Plugged::new(card(), reader.address(), answer);
    let mut line = reader.accept();
    for word in [0, 1, 2] {
        assert_eq!(line.send(&RIGHT_PIN), "9000");
        assert_eq!(line.send(&STATUS), "9000");
        assert_eq!(line.send(&[4]), "3B909681B1FE451F0391");
        assert_eq!(line.send(&STATUS), "9000");
        line.write(&[word]);
        assert_eq!(line.send(&STATUS), "63C3");
    }
    plugged.stop();
}

#[test]
fn the_card_comes_back_when_the_reader_does_and_has_lost_no_counter() {
    let reader = Reader::new();
    let plugged = Plugged::new(card(), reader.address(), answer);
    let mut line = reader.accept();
    assert_eq!(line.send(&WRONG_PIN), "63C2");
    assert_eq!(line.send(&RIGHT_PIN), "9000");
    assert_eq!(line.send(&WRONG_PIN), "63C2");
    drop(line);
    let mut line = reader.accept();
    assert_eq!(line.send(&STATUS), "63C2");
    // In the middle of a message, too.
    line.0.write_all(&[0x00, 0x0D, 0x00]).unwrap();
    drop(line);
    assert_eq!(reader.accept().send(&STATUS), "63C2");
    plugged.stop();
}

#[test]
fn a_reader_that_starts_late_finds_the_card() {
    let address = Reader::new().address(); // nobody listens there any more
    let plugged = Plugged::new(card(), address, answer);
    thread::sleep(Duration::from_millis(300));
    let reader = Reader(TcpListener::bind(address).unwrap());
    assert_eq!(reader.accept().send(&STATUS), "63C3");
    plugged.stop();
}

#[test]
fn a_card_that_waits_for_a_reader_can_be_stopped() {
    let address = Reader::new().address();
    let plugged = Plugged::new(card(), address, answer);
    thread::sleep(Duration::from_millis(200));
    let start = Instant::now();
    plugged.stop();
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_card_can_be_pulled_at_every_command() {
    for last in 0..3 {
        let reader = Reader::new();
        let mut seen = Vec::new();
        let plugged = Plugged::new(card(), reader.address(), move |command| {
            seen.push(command.to_vec());
            // Only header and lengths are shown, never the PIN.
            assert!(seen.iter().all(|command| command == &[0x00, 0x20, 0x00, 0x01, 8, 0, 0, 0, 0, 0, 0, 0, 0]));
            if seen.len() > last { Step::Pull } else { Step::Answer }
        });
        let mut line = reader.accept();
        for tries in 0..last {
            assert_eq!(line.send(&WRONG_PIN), format!("63C{}", 2 - tries));
        }
        line.write(&WRONG_PIN);
        assert!(line.is_empty());
        // The command that pulled the card was not carried out; what was before it stays.
        let plugged = Plugged::new(plugged.pulled(), reader.address(), answer);
        assert_eq!(reader.accept().send(&STATUS), format!("63C{}", 3 - last));
        plugged.stop();
    }
}

#[test]
fn a_card_pulled_before_its_answer_has_counted_the_try() {
    let reader = Reader::new();
    let plugged = Plugged::new(card(), reader.address(), |_| Step::PullBeforeAnswer);
    let mut line = reader.accept();
    line.write(&WRONG_PIN);
    assert!(line.is_empty());
    let plugged = Plugged::new(plugged.pulled(), reader.address(), answer);
    assert_eq!(reader.accept().send(&STATUS), "63C2");
    plugged.stop();
}

/// A reader that writes length and content separately makes a careless card take 40 ms for every command.
#[test]
#[cfg(target_os = "linux")]
fn a_command_does_not_wait_for_an_acknowledgement() {
    let reader = Reader::new();
    let plugged = Plugged::new(card(), reader.address(), answer);
    let mut line = reader.accept();
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(line.send(&STATUS), "63C3");
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    plugged.stop();
}

#[test]
fn an_address_that_is_none_is_an_error() {
    assert!(plug(&mut card(), "no address", &AtomicBool::new(false), answer).is_err());
}

/// However long or odd a command is, nothing of its data is shown to who decides about it.
#[test]
fn no_data_of_a_command_are_shown() {
    for (command, shown) in [
        ("00A4040C", "00A4040C"),
        ("00B0810000", "00B0810000"),
        ("00B08100000000", "00B08100000000"),
        ("002A9E9A03ABCDEF00", "002A9E9A0300000000"),
        ("002A9E9A000003ABCDEF0000", "002A9E9A0000030000000000"),
        ("0020000102ABCDEFABCDEF", "0020000102000000000000"),
        ("0020000108ABCD", "00200001080000"),
        ("00200001000008ABCD", "002000010000080000"),
    ] {
        let reader = Reader::new();
        let (told, seen) = std::sync::mpsc::channel();
        let plugged = Plugged::new(card(), reader.address(), move |command| {
            told.send(hex::encode_upper(command)).unwrap();
            Step::Answer
        });
        reader.accept().send(&hex::decode(command).unwrap());
        assert_eq!(seen.recv().unwrap(), shown);
        plugged.stop();
    }
}
