"""Every command of `make`, declared once: its help, its settings and what it runs.

A function is a command of the same name, with - instead of _. The first line of its docstring is
its line in `make help`, its parameters are its settings; one without a default has to be given.
Until `enter`, it runs in whatever Python there is and may import only Python's own modules; from
there on it runs in the environment .venv, with the packages that it has named.
"""

# ruff: noqa: PT028 (the commands called test_... are no tests)

from pathlib import Path

from apps import ROOT, find_app, find_apps
from install import become, enter, provide, requirements_of

SCRIPTS = Path(__file__).resolve().parent
FOR_YOUR_APP, FOR_THIS_REPOSITORY = {}, {}

SETTINGS = {
    "APP": "an app, as in `make list`, or its folder elsewhere, such as ../leaf",
    "HOST": "0.0.0.0 opens it to everyone on your network",
    "PORT": "the number in its address",
    "NAME": "a name for the new folder, such as leaf_disease",
    "FROM": "the app to copy from",
    "MODEL": "the file from your training, such as best.pth",
    "LABELS": "a text file with the names of its classes, one per line",
    "WITH": "recipes to put into it, as in `make list`: one, or several with commas between them",
    "URL": "the address of a hosted page, as in a browser",
    "IMAGE": "the name of the image: user/name for Docker Hub, ghcr.io/owner/name for GitHub",
    "TAG": "a tag of your own, such as v1; without it, one is made from the files",
    "DOCKER": "another engine, such as podman",
    "TORCH_INDEX": "where PyTorch comes from, instead of its index of builds for the CPU",
    "REPLICAS": "the largest number of copies of the model",
    "RAY_ADDRESS": "the address of a Ray cluster, such as 10.0.0.5:6379, to use its machines",
    "IN": "a folder of images, or a list of them (CSV, Parquet)",
    "OUT": "what is made: a table (.csv, .parquet), or with `make new` a folder such as ../leaf",
    "USERS": "how many users at once",
    "SECONDS": "for how long",
    "MISBEHAVING": "how many clients send malformed calls",
    "ARGS": "options for the program behind this command, such as ARGS=--help",
}
MOST = {"PORT": 65535, "REPLICAS": 1000}
# these may as well be in the environment, where other programs look for them
ENVIRONMENT = {"DOCKER", "TORCH_INDEX", "RAY_ADDRESS"}


def for_your_app(function):
    """Make a function a command of the first group."""
    FOR_YOUR_APP[function.__name__.strip("_").replace("_", "-")] = function
    return function


def for_this_repository(function):
    """Make a function a command of the second group."""
    FOR_THIS_REPOSITORY[function.__name__.strip("_").replace("_", "-")] = function
    return function


# ---- For your app -------------------------------------------------------------------------------


@for_your_app
def list_():
    """list the apps and the recipes"""
    import apps
    import recipes

    apps.show()
    recipes.show_both()


@for_your_app
def run(APP, HOST="127.0.0.1", PORT=8080, TORCH_INDEX=""):
    """start an app at http://localhost:8080

    The first time, this installs what the app needs, and downloads the weights of its model.
    """
    enter(*requirements_of(APP))
    import model
    import run

    model.fetch(find_app(APP), if_missing=True)
    return run.main(APP, HOST, PORT)


@for_your_app
def gallery(HOST="127.0.0.1", PORT=8080, TORCH_INDEX=""):
    """serve all apps on one page and each at its own address

    The address of an app is its name, such as /sepia/. A classifier appears once `make model` has
    downloaded its weights.
    """
    from gallery import assemble

    assemble.install_packages()
    enter()
    from gallery import serve

    return serve.main(HOST, PORT)


@for_your_app
def new(NAME, FROM="", WITH="", MODEL="", LABELS="", OUT="", TORCH_INDEX=""):
    """make a folder for your own app and say what to edit next

    FROM=resnet copies a classifier, FROM=molecules or another starting point in `make list` an app
    for other data, and FROM=hello (the default) the smallest app. WITH= puts recipes into it, such
    as WITH=many_images,not_sure. MODEL=best.pth makes an app from your own weights, if they are of
    a torchvision network. It also takes an image classifier as .onnx and a scikit-learn model as
    .skops; `make inspect` says what a file is. OUT=../leaf makes it a git repository of its own,
    outside the gallery, which GitHub can build.
    """
    if MODEL:
        enter(*requirements_of("resnet"))
    import new

    return new.main(NAME, FROM, WITH, MODEL, LABELS, OUT)


@for_your_app
def update(APP, ARGS=""):
    """bring the gallery's files in your copy up to date

    It shows first what it would replace: files that you have not changed. It never touches main.py,
    data or texts. ARGS=--yes skips the question.
    """
    import update

    return update.main(APP, ARGS)


@for_your_app
def inspect(MODEL, TORCH_INDEX=""):
    """say what is in a model file

    Nothing in the file is run.
    """
    enter(*requirements_of("resnet"))
    import inspect_model

    return inspect_model.main(MODEL)


@for_your_app
def model(APP):
    """download an app's weights and nothing else"""
    import model

    if model.is_needed(find_app(APP)):
        enter(*requirements_of(APP), only=model.PACKAGES)
    model.fetch(find_app(APP))


@for_your_app
def train(APP, ARGS="", TORCH_INDEX=""):
    """train the model of an app that has a train_model.py

    ARGS=--help names its options: epochs, the folder of the data, and so on.
    """
    app = find_app(APP)
    program = app.folder / "train_model.py"
    if not program.exists():
        names = [other.name for other in find_apps() if (other.folder / program.name).exists()]
        return f"{app.name} has no train_model.py. These have one: {', '.join(names)}."
    enter(app.folder / "requirements-train.txt")
    become(program, *ARGS)


@for_your_app
def smoke(APP, TORCH_INDEX=""):
    """start an app, call it and check its responses

    It is called as a client program would. APP=all tries every app. Where trained weights are
    missing, random ones are used.
    """
    enter(*requirements_of(APP))
    import smoke

    return smoke.main([APP])


@for_your_app
def expect(APP, ARGS="", TORCH_INDEX=""):
    """save what an app predicts as its references

    Those are the examples on its page and the files in data/. You are shown the predictions first;
    `make smoke` then compares. References that were made where the model was trained stay, and are
    compared. ARGS=--yes skips the question. ARGS="--tolerance 0.05" lets numbers differ by that
    much.
    """
    enter(*requirements_of(APP))
    import reference_predictions

    return reference_predictions.expect([APP, *ARGS])


@for_your_app
def verify(APP, URL):
    """check that a hosted page gives the same predictions"""
    enter(ROOT / "example_apps" / "requirements.txt")
    import reference_predictions

    return reference_predictions.verify(APP, URL)


@for_your_app
def check(APP, IMAGE="", TAG=""):
    """say whether SciLifeLab Serve will run an app

    It reads the app's files and needs no Docker. APP=all checks every app.
    """
    import check

    return check.main(APP, IMAGE, TAG)


@for_your_app
def docker(APP, IMAGE="", TAG="", DOCKER="", TORCH_INDEX=""):
    """build the container image of an app

    It downloads the weights if they are missing. APP=gallery packages all apps as one.
    """
    import model
    from container import build, engine, images

    images.require_possible(IMAGE, TAG)
    if APP != "gallery" and model.is_needed(app := find_app(APP)) and not model.is_there(app):
        engine.find_engine()  # before anything is downloaded
        enter(*requirements_of(APP), only=model.PACKAGES)
        model.fetch(app, if_missing=True)
    return build.main(APP, IMAGE, TAG)


@for_your_app
def docker_run(APP, IMAGE="", TAG="", HOST="127.0.0.1", PORT=8080, DOCKER="", TORCH_INDEX=""):
    """run the image at http://localhost:8080"""
    from container import run

    return run.main(APP, IMAGE, TAG, HOST, PORT)


@for_your_app
def docker_smoke(APP, IMAGE="", TAG="", DOCKER="", TORCH_INDEX=""):
    """try the image as SciLifeLab Serve will run it"""
    enter(ROOT / "example_apps" / "requirements.txt")
    from container import smoke

    return smoke.main(APP, IMAGE, TAG)


@for_your_app
def docker_push(APP, IMAGE, TAG="", DOCKER="", TORCH_INDEX=""):
    """publish the image on Docker Hub or GitHub"""
    from container import push

    return push.main(APP, IMAGE, TAG)


@for_your_app
def scale(APP, REPLICAS=2, HOST="127.0.0.1", PORT=8080, RAY_ADDRESS="", TORCH_INDEX=""):
    """serve an app with several copies of its model

    They run on this machine or, with RAY_ADDRESS=, on many. It installs Ray, about 550 MB.
    """
    enter(*requirements_of(APP), more=SCRIPTS / "scale" / "requirements.txt")
    import model
    from scale import page

    model.fetch(find_app(APP), if_missing=True)
    return page.main(APP, REPLICAS, HOST, PORT)


@for_your_app
def classify(APP, IN, OUT, RAY_ADDRESS="", TORCH_INDEX=""):
    """classify all images in a folder or a list

    A run that was stopped continues where it was.
    """
    from scale import request

    request.require_possible(find_app(APP), IN, OUT)
    enter(*requirements_of(APP), more=SCRIPTS / "scale" / "requirements.txt")
    import model
    from scale import classify

    model.fetch(find_app(APP), if_missing=True)
    return classify.main(APP, IN, OUT)


# ---- For this repository ------------------------------------------------------------------------

TESTS = ROOT / "tests" / "requirements.txt"
MAINTAIN = SCRIPTS / "maintain"
USUAL = "not recipes and not long and not training and not scale"


def run_tests(marks, *options):
    """Run the tests that these marks choose; the first time, install what they need."""
    enter(TESTS)
    from maintain import browser

    browser.main()
    # two files of tests at a time
    become(
        "-m", "pytest", "-n2", "--dist=loadfile", "--no-loadscope-reorder", "-m", marks, *options
    )


@for_this_repository
def test(ARGS=""):
    """run the tests, apart from those below

    The first time, it installs what they need. ARGS are options of pytest, such as
    ARGS=tests/test_make.py.
    """
    run_tests(USUAL, *ARGS)


@for_this_repository
def test_quick(ARGS=""):
    """run the quick tests"""
    run_tests(f"not slow and {USUAL}", *ARGS)


@for_this_repository
def test_long(ARGS=""):
    """run tests that take several minutes more"""
    run_tests("long", *ARGS)


@for_this_repository
def test_recipes(ARGS=""):
    """test all of each recipe"""
    run_tests("recipes", *ARGS)


@for_this_repository
def test_train(ARGS=""):
    """test a whole training run on synthetic data"""
    run_tests("training", *ARGS)


@for_this_repository
def test_scale(ARGS=""):
    """test `make scale` and `make classify`

    Also on two nodes, one of which is killed.
    """
    provide(TESTS, more=SCRIPTS / "scale" / "requirements.txt")
    run_tests("scale", *ARGS)


@for_this_repository
def fuzz(ARGS=""):
    """try 10,000 damaged and odd images, for about 15 minutes"""
    fuzzing = ("tests/test_fuzz.py", "--hypothesis-profile=long", "--timeout=3600")
    run_tests(USUAL, *fuzzing, *ARGS)


@for_this_repository
def bench(ARGS=""):
    """measure how fast the apps respond, for about 15 minutes

    The results are written to docs/bench.
    """
    enter_bench()
    from maintain.bench import measure

    return measure.main(ARGS)


@for_this_repository
def load(APP, USERS=50, SECONDS=60, MISBEHAVING=0, TORCH_INDEX=""):
    """let many users use an app and check that each gets their own result

    With MISBEHAVING=5, five more make calls that once ended, froze or filled an app.
    """
    provide(*requirements_of(APP))
    enter_bench()
    from maintain.bench import load

    return load.main(APP, USERS, SECONDS, MISBEHAVING)


def enter_bench():
    enter(*requirements_of("resnet"), more=MAINTAIN / "bench" / "requirements.txt")


@for_this_repository
def lint():
    """check the style of the code, workflows and shell scripts"""
    enter(ROOT / "tests" / "requirements-lint.txt")
    from maintain import lint

    return lint.main()


@for_this_repository
def constraints():
    """write the newest package versions that fit together"""
    enter(TESTS)
    from maintain import constraints

    return constraints.main()


@for_this_repository
def audit():
    """look for known vulnerabilities and unusual licences

    It needs a network.
    """
    enter(*requirements_of("resnet"), ROOT / "tests" / "requirements-audit.txt")
    from maintain import audit

    return audit.main()


@for_this_repository
def sync(FROM):
    """copy a change in one classifier to the others

    Files that other folders share are copied there as well.
    """
    from maintain import sync

    return sync.main(FROM)


@for_this_repository
def workshop():
    """refresh the listings and tables in the texts"""
    from maintain import workshop

    return workshop.main()


@for_this_repository
def site(PORT=0):
    """make a website of the texts in docs/

    PORT=8080 shows it there instead and follows your changes.
    """
    enter(MAINTAIN / "website" / "requirements.txt")
    from maintain.website import build

    return build.serve(PORT) if PORT else build.build()


@for_this_repository
def screenshots(APP="all"):
    """take the screenshots in docs/images

    APP= may also be own-app, or recipes.
    """
    enter(TESTS)
    from maintain import browser, screenshots

    browser.main()
    return screenshots.main(APP)


@for_this_repository
def clean():
    """remove the environments and the caches; weights stay"""
    from maintain import clean

    return clean.main()
