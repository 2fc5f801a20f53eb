# Recipes for https://just.systems. Each is a plain command, so `just` is optional.

# List the recipes
default:
    @just --list

# Build the exporter
build:
    cargo build --workspace --all-targets

# Run the hermetic tests
test *ARGS:
    cargo test --workspace {{ARGS}}

# Check format, lints and documentation
lint:
    cargo fmt --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --lib
    cargo xtask lint-prose

# Run every test, with peers such as Prometheus and boto3
peers:
    tests/run

# Run every test with empty caches, as on a new machine
fresh:
    tests/run --fresh

# Serve from the built-in simulator
demo *ARGS:
    cargo run --release -- demo {{ARGS}}

# Build the documentation site into target/site, with checked links
docs:
    test -x target/docs-venv/bin/mkdocs || python3 -m venv target/docs-venv
    target/docs-venv/bin/pip install -q --disable-pip-version-check -r docs/requirements.txt
    NO_MKDOCS_2_WARNING=1 target/docs-venv/bin/mkdocs build --strict

# Rewrite golden files: snapshots, METRICS.md, man page, completions
golden:
    cargo xtask generate

# Make and check what a release publishes, as far as this machine can
rehearse *ARGS:
    cargo xtask release --dry-run {{ARGS}}

# Run a benchmark: sweep, exposition, storage, tracker or scale
bench NAME *ARGS:
    cargo bench --bench {{NAME}} -- {{ARGS}}
