@rem For Windows: .\make run APP=sepia does what "make run APP=sepia" does on Linux and macOS.
@where /q py || (echo Python 3.10 to 3.14 is needed: https://www.python.org/downloads/ 1>&2 & exit /b 1)
@rem %* is the line as it was typed; %1 and so on would be cut at each equals sign.
@py -3 "%~dp0scripts" %*
