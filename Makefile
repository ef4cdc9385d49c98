# The front door. On a fresh Debian or Ubuntu machine with Rust, `make demo` and `make test` are all that is needed.

SHARED ?= ../shared
DENY_VERSION = 0.20.2
DENY = target/tools/bin/cargo-deny
SCHEMATHESIS_VERSION = 4.32.5
SCHEMATHESIS = target/tools/schemathesis/bin/st
FUZZ_VERSION = 0.13.2
FUZZ = target/tools/bin/cargo-fuzz
FUZZ_TARGETS = tlv vsd certificate cvc ocsp trust_list image secure_messaging replay apdus code picture
SECONDS_EACH = 20
# Where the peer of bench-peers is installed.
PEER = $(CURDIR)/target/peer
# The card reader in software that tests use: a package of its own, for pcscd calls it through a C interface.
IFD_HANDLER = --manifest-path tools/ifd-handler/Cargo.toml
IFD_HANDLER_BUILD = $(IFD_HANDLER) --locked --target-dir target/ifd-handler
FEATURE_SETS = "--no-default-features" "--no-default-features --features client" \
	"--no-default-features --features server" "--all-features"

# Tests of the service, which run on SQLite and on PostgreSQL.
BOTH_DATABASES = --test stories --test attacks --test hostile_requests --test account --test keyring
# Tests of the operators' program that name their database themselves, and so are the same on both.
NAME_THEIR_DATABASE = --skip manual:: --skip registers:: --skip restore:: --skip processes::

.PHONY: demo test endurance lint bench bench-peers timing fuzz openapi conformance fixtures setup

## The whole story once: card, registration, approval, evidence.
demo: setup
	cargo build --bins
	./target/debug/kartenbund demo

## Every test that needs nothing but this repository. What the service does is shown on both databases.
test: setup
	cargo test
	KARTENBUND_TEST_DATABASE=postgresql cargo test $(BOTH_DATABASES)
	KARTENBUND_TEST_DATABASE=postgresql cargo test --test operating -- $(NAME_THEIR_DATABASE)
	cargo test $(IFD_HANDLER_BUILD)
	set -e; for features in $(FEATURE_SETS); do cargo test --lib $$features; done
	cargo test --all-features --test tpm

## The long forms of what tests show in short, on both databases: the service is killed a hundred times, a million people
## are imported. What each has done is told. Then timing, when the computer is calm.
endurance: setup
	set -e; for database in sqlite postgresql; do \
		KARTENBUND_TEST_DATABASE=$$database cargo test --test operating -- --ignored --nocapture; \
	done
	$(MAKE) timing

## Format, lints and documentation in all feature sets, licences and sources of dependencies, and that the service
## needs no card reader.
lint: setup $(DENY)
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo fmt --check $(IFD_HANDLER)
	cargo clippy --all-targets $(IFD_HANDLER_BUILD) -- -D warnings
	set -e; for features in $(FEATURE_SETS); do cargo clippy --all-targets $$features -- -D warnings; done
	cargo clippy --test conformance -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features
	$(DENY) check licenses bans sources
	cargo build --no-default-features --features server --bin kartenbund-server
	! ldd target/debug/kartenbund-server | grep pcsclite
	cargo build --bins

## What passes between reader and card, CPU time, and what the service carries (docs/performance.md). LATENCY_MS: what an
## APDU takes beside its bytes; EGK_TOOL: OpenSC's program, where another one is meant than that of this computer; TMPDIR:
## a folder on the disk that databases are measured on.
bench: setup
	cargo bench --bench apdus
	cargo bench --bench cpu
	cargo bench --bench service

## Approvals beside what a developer would pick instead: WebAuthn with @simplewebauthn/server, express and better-sqlite3
## (docs/performance.md).
bench-peers: setup $(PEER)/node_modules
	PEER=$(PEER) cargo bench --bench peers

$(PEER)/node_modules: benches/peers/package-lock.json benches/peers/server.js
	mkdir -p $(PEER)
	cp benches/peers/package.json benches/peers/package-lock.json benches/peers/server.js $(PEER)
	command -v npm >/dev/null || tools/setup.sh nodejs npm
	cd $(PEER) && npm ci
	touch $@

## Whether the time of a refused login tells unknown accounts, wrong passwords and accounts before their day apart:
## a thousand of each (docs/threat-model.md).
timing: setup
	cargo test --test stories timing -- --ignored --nocapture

## Hostile bytes for every parser, SECONDS_EACH for each (docs/fuzzing.md). Ends at the first finding, which is then in
## fuzz/artifacts. The compiler's own sanitizer is wanted, which stable compilers have and do not show.
fuzz: setup $(FUZZ)
	cd fuzz && PATH="$(CURDIR)/target/tools/bin:$$PATH" RUSTC_BOOTSTRAP=1 cargo fuzz build
	set -e; cd fuzz; programs=target/$$(rustc -vV | sed -n 's/^host: //p')/release; $$programs/seeds corpus; \
	for target in $(FUZZ_TARGETS); do \
		echo "== $$target: $(SECONDS_EACH) seconds"; mkdir -p artifacts/$$target; \
		$$programs/$$target corpus/$$target -max_total_time=$(SECONDS_EACH) -rss_limit_mb=2048 -timeout=10 \
			-artifact_prefix=artifacts/$$target/ -print_final_stats=1; \
	done

## The service against its own OpenAPI documents, with schemathesis, on both databases.
openapi: setup $(SCHEMATHESIS)
	cargo test --test conformance openapi::
	KARTENBUND_TEST_DATABASE=postgresql cargo test --test conformance openapi::

## Against gematik's cards, certificates and trust lists, which are no part of this repository; and openapi.
conformance: setup openapi
	KARTENBUND_SHARED="$(abspath $(SHARED))" cargo test --test conformance -- --skip openapi::

## Makes the fixtures anew (fixtures/README.md).
fixtures: setup
	cargo build --bin kartenbund
	fixtures/make.sh

## Installs the Debian packages that are missing.
setup:
	@tools/setup.sh

$(DENY):
	cargo install --locked --no-default-features --root target/tools --version $(DENY_VERSION) cargo-deny

$(FUZZ):
	cargo install --locked --root target/tools --version $(FUZZ_VERSION) cargo-fuzz

$(SCHEMATHESIS):
	python3 -m venv target/tools/schemathesis
	target/tools/schemathesis/bin/pip install --quiet schemathesis==$(SCHEMATHESIS_VERSION) cryptography==50.0.2
