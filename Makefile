.PHONY: help setup demo test lint fuzz bench peers flink test-flink test-spark test-images docs sbom notice default cross-validation reference int8 clean
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready
NEW_ENOUGH := python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(READY)  ## make the environment in .venv (once; again when the requirements change)

$(READY): requirements.txt requirements-dev.txt
	test -x $(PYTHON) || python3.11 -m venv $(VENV) || { $(NEW_ENOUGH) && python3 -m venv $(VENV); }
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

demo: setup  ## annotate the small archive in demo/archive and show some of it
	$(PYTHON) run_pipeline.py --posts 'demo/archive/posts-*.jsonl' --images 'demo/archive/images-*.tar' --output out/demo --overwrite
	$(PYTHON) -m pipeline.show out/demo
	$(PYTHON) -m pipeline.report out/demo

test: setup  ## run the tests
	$(PYTHON) -m pytest

lint: setup  ## check style and types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

fuzz: setup  ## look for bytes that break the readers of posts, shards and pictures: a minute for each target
	for target in lines fields documents tables packings shards pictures; do $(PYTHON) tests/fuzz/fuzz.py $$target -max_total_time=60 -verbosity=0 -print_final_stats=1 || exit 1; done

BENCH :=
bench: setup  ## compare the speed of the command with the two models alone; BENCH='--archive DIR'
	$(PYTHON) -m bench.main_job $(BENCH)

# Packages of other programs stay out of $(VENV); the rest they share with the command, so that both have the same torch.
PEERS :=
peers: build/peers/.ready  ## compare the speed of the command with Ray Data, Daft and loops by hand; PEERS='--archive DIR'
	build/peers/bin/python -m bench.peers $(PEERS)

SITE_PACKAGES := -c 'import sysconfig; print(sysconfig.get_path("purelib"))'

build/peers/.ready: bench/peers/requirements.txt | $(READY)
	$(PYTHON) -m venv build/peers
	$(PYTHON) $(SITE_PACKAGES) > "$$(build/peers/bin/python $(SITE_PACKAGES))/postner.pth"
	build/peers/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

JARS := deploy/flink/target/jars
HAS_JAVA := command -v java >/dev/null && command -v mvn >/dev/null
NO_JAVA := needs Java 11 or 17 and Maven (Debian: apt install openjdk-17-jre-headless maven)
OUTPUT := out/flink

flink: setup  ## annotate the small archive on a Flink cluster of two task managers on this machine
	@$(HAS_JAVA) || { echo "make flink $(NO_JAVA)"; exit 1; }
	@$(MAKE) --no-print-directory $(JARS)/.ready
	$(PYTHON) -m deploy.flink.cluster -- --posts 'demo/archive/posts-*.jsonl' --images 'demo/archive/images-*.tar' --output $(OUTPUT) --overwrite

test-flink: setup  ## run the tests on a Flink cluster, with processes killed; skipped without Java and Maven
	@if $(HAS_JAVA); then $(MAKE) --no-print-directory $(JARS)/.ready && $(PYTHON) -m pytest -m flink -n 0 -v; else echo "make test-flink is skipped: it $(NO_JAVA)"; fi

SPARK := build/spark

test-spark: setup  ## run the recipe of docs/output.md in Spark, in an environment of its own (500 MB); skipped without Java
	@if command -v java >/dev/null; then $(MAKE) --no-print-directory $(SPARK)/.ready && $(PYTHON) -m pytest -n 0 -v tests/docs/test_recipes.py -k spark; else echo "make test-spark is skipped: it needs Java 17 (Debian: apt install openjdk-17-jre-headless)"; fi

$(SPARK)/.ready: deploy/spark.txt
	test -x $(SPARK)/bin/python || $(PYTHON) -m venv $(SPARK)
	$(SPARK)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

test-images: setup  ## do what the Dockerfiles' lines do, in new environments (10 minutes, 8 GB)
	for kind in cpu cuda; do $(PYTHON) -m deploy.docker.rehearse deploy/docker/$$kind.Dockerfile --arg TORCH_INDEX=https://pypi.org/simple || exit 1; done

docs: setup  ## build the docs as a site in build/site, with all links checked
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --quiet
	@echo "build/site/index.html is the first page; with the search: $(PYTHON) -m http.server --directory build/site"

sbom: setup  ## write build/sbom.cdx.json, the bill of materials of requirements.txt (CycloneDX)
	mkdir -p build
	$(PYTHON) -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible --output-file build/sbom.cdx.json requirements.txt

notice: setup  ## write NOTICE: the licences of what is shipped and of what requirements.txt installs
	mkdir -p build
	$(PYTHON) -m deploy.notice > build/NOTICE && mv build/NOTICE NOTICE

$(JARS)/.ready: deploy/flink/pom.xml
	mvn -q -f $< dependency:copy-dependencies -DoutputDirectory=target/jars
	touch $@

# What docs/model.md says of both models, from a folder of data. One thread each: the same weights on any number of cores.
DATA := data
IN_DATA = cd $(DATA) && PYTHONPATH=$(CURDIR) $(CURDIR)/$(PYTHON)
VECTORS := --vectors w2v_tweets_200d.bin
TRAIN = $(IN_DATA) -m models.train $(VECTORS) --threads 1
SETS := --data twitter2015-surrogate twitter2017-surrogate
TWEETS := $(SETS) --images 'images-*.tar' --cache pictures.npz
TAUGHT := --unlabelled tweets.tsv.gz --word_dropout 0.1

$(DATA)/teacher-1/README.md:
	$(TRAIN) $(TWEETS) --encoder e5-small-v2 --epochs 8 --lr 1.2e-4 --seed 1 --output teacher-1

$(DATA)/teacher-2/README.md:
	$(TRAIN) $(TWEETS) --encoder e5-small-v2 --epochs 4 --lr 1.2e-4 --word_dropout 0.1 --seed 2 --output teacher-2

$(DATA)/teacher-mpnet/README.md:
	$(TRAIN) $(SETS) --encoder all-mpnet-base-v2 --epochs 3 --lr 5e-5 --word_dropout 0.1 --seed 5 --output teacher-mpnet

$(DATA)/earlier-default/README.md: $(DATA)/teacher-1/README.md $(DATA)/teacher-2/README.md
	$(TRAIN) $(TWEETS) --encoder e5-small-v2 --teacher teacher-1 teacher-2 $(TAUGHT) --unlabelled_posts 7000 --epochs 4 --lr 1.2e-4 --seed 3 --output earlier-default

TEACHERS := teacher-mpnet from-other-labels earlier-default
STUDENT := --language en --encoder other-labels --teacher $(TEACHERS) $(TAUGHT) --unlabelled_posts 8000 --epochs 3 --lr 1.2e-4 --case_noise 0.1 --seed 4

$(DATA)/held-out/README.md: $(TEACHERS:%=$(DATA)/%/README.md)
	$(TRAIN) $(TWEETS) $(STUDENT) --output held-out

default: setup $(DATA)/held-out/README.md  ## make the shipped model anew in DATA=folder (8 hours; needs the data of docs/model.md)
	$(TRAIN) $(TWEETS) $(STUDENT) --refit held-out --output postner-e5-small

CV := $(VECTORS) --encoder other-labels --lr 1.2e-4 --word_dropout 0.1
STUDENT_CV := --epochs 3 --case_noise 0.1 --seed 4 --teacher FOLD/labels --unlabelled tweets.tsv.gz --unlabelled_posts 4000

cross-validation: setup $(DATA)/other-labels/README.md  ## compare two recipes on train and valid together, in DATA=folder (2 hours)
	$(IN_DATA) -m bench.cross_validation cv $(SETS) $(SCORED) --recipe 'labels=$(CV) --epochs 4 --seed 2' 'student=$(CV) $(STUDENT_CV)'

reference: setup $(DATA)/teacher-2/README.md  ## make the reference model, bert-base-cased, in DATA=folder (2 hours)
	$(TRAIN) $(TWEETS) --encoder bert-base-cased --no-casing --teacher teacher-2 $(TAUGHT) --unlabelled_posts 2000 --epochs 3 --lr 5e-5 --seed 1 --output postner-bert-base

int8: setup  ## quantise the shipped detector anew, on photos of DATA=folder
	$(PYTHON) -m models.vision.quantize --images '$(DATA)/images-0000[01].tar'

# Tweets that others labelled by rules of their own (GNU sed and grep). Mentions (@name) are no entities here; every 19th of BTC is for valid.
NO_MENTIONS := sed -s -e '$$G' -e 's/\r$$//' -e 's/^\(@[^\t]*\)\t.*/\1\tO/'

$(DATA)/btc/train.txt: $(patsubst %,$(DATA)/btc/%.conll,a b e f g h)
	$(NO_MENTIONS) $^ | awk -v RS= -v ORS='\n\n' '{ print > ("$(@D)/" (NR % 19 ? "train.txt" : "valid.txt")) }'

$(DATA)/wnut17/train.txt: $(addprefix $(DATA)/wnut17/,emerging.dev.conll wnut17train.conll emerging.test.annotated)
	cd $(@D) && $(NO_MENTIONS) emerging.dev.conll > valid.txt && $(NO_MENTIONS) wnut17train.conll emerging.test.annotated > train.txt

$(DATA)/other-labels/README.md: $(DATA)/btc/train.txt $(DATA)/wnut17/train.txt | $(READY)
	$(TRAIN) --data btc wnut17 --encoder e5-small-v2 --epochs 2 --lr 1.2e-4 --word_dropout 0.1 --seed 11 --output other-labels

$(DATA)/from-other-labels/README.md: $(DATA)/other-labels/README.md
	$(TRAIN) $(TWEETS) --encoder other-labels --epochs 4 --lr 1.2e-4 --word_dropout 0.1 --seed 2 --output from-other-labels

clean:  ## remove the environment and caches; outputs in out/ stay
	rm -rf $(VENV) build deploy/flink/target .pytest_cache .mypy_cache .ruff_cache .hypothesis
