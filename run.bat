@echo off
rem Runs the tool on a workbook: run.bat [ACTION] WORKBOOK [MORE], or drop a workbook onto this file.
rem The first start makes a Python environment beside this file; later starts use it.
setlocal EnableExtensions DisableDelayedExpansion
chcp 65001 >nul
set "PYTHONUTF8=1"
set "HERE=%~dp0"
set "VENV=%HERE%.venv\Scripts\python.exe"
if exist "%VENV%" goto :ready

set "PY="
py -3 -c "import sys; sys.exit(sys.version_info < (3, 11))" >nul 2>nul
if not errorlevel 1 set "PY=py -3"
if defined PY goto :make
python -c "import sys; sys.exit(sys.version_info < (3, 11))" >nul 2>nul
if not errorlevel 1 set "PY=python"
if defined PY goto :make
echo Nie znaleziono Pythona 3.11 lub nowszego. Zainstaluj go ze strony https://www.python.org/downloads/
echo Python 3.11 or newer was not found. Install it from https://www.python.org/downloads/
set "CODE=9"
goto :end

:make
echo Przygotowuje program, to potrwa chwile... / Setting up, one moment...
%PY% -m venv "%HERE%.venv"
if errorlevel 1 goto :failed
"%VENV%" -m pip install --quiet "%HERE%."
if errorlevel 1 goto :failed

:ready
pushd "%HERE%"
set "FIRST=%~1"
if not defined FIRST goto :menu
if /i "%~x1"==".xlsx" goto :dropped
if /i "%~x1"==".xlsm" goto :dropped
"%VENV%" -m batch %*
set "CODE=%ERRORLEVEL%"
popd
goto :end

:dropped
"%VENV%" -m batch run %*
set "CODE=%ERRORLEVEL%"
popd
goto :end

:menu
if exist "Oferty.xlsm" goto :open
"%VENV%" -m batch init "Oferty.xlsm"
set "CODE=%ERRORLEVEL%"
if not "%CODE%"=="0" goto :closed
:open
start "" "Oferty.xlsm"
set "CODE=0"
:closed
popd
goto :end

:failed
echo Nie udalo sie przygotowac programu. / Setting up failed.
set "CODE=1"

:end
if not "%CODE%"=="0" echo Kod / code: %CODE%
pause
exit /b %CODE%
