@echo off
rem run.bat [--no-pause] [ACTION] [WORKBOOK] [ACCOUNT]
rem A double click is enough, or a workbook dropped onto this file. This file only looks for a Python that works;
rem everything else is in batch\launcher.py.
setlocal EnableExtensions DisableDelayedExpansion
chcp 65001 >nul
set "PYTHONUTF8=1"
set "PYTHONHOME="
set "PYTHONPATH="
set "PYTHONSAFEPATH="
set "RUN_BAT_FOLDER=%~dp0"
set "RUN_BAT_CALLED_IN=%CD%"
set "RUN_BAT_LINE="
setlocal EnableDelayedExpansion
for /f "delims=" %%L in ("!CMDCMDLINE!") do endlocal & set "RUN_BAT_LINE=%%L"

rem From \\server\share: pushd gives the folder a drive letter for as long as it is needed.
pushd "%RUN_BAT_FOLDER%"
if errorlevel 1 goto :no_folder
if not exist "batch\launcher.py" goto :no_program

set "FOUND="
set "TOO_OLD="
set PY="%RUN_BAT_FOLDER%.venv\Scripts\python.exe"
if exist "%RUN_BAT_FOLDER%.venv\ready.txt" call :probe
set PY="%LOCALAPPDATA%\allegro-batch\venv\Scripts\python.exe"
if not defined FOUND if exist "%LOCALAPPDATA%\allegro-batch\venv\ready.txt" call :probe
set "PY=py -3"
if not defined FOUND call :probe
set "PY=python"
if not defined FOUND call :probe
if not defined FOUND goto :no_python

%FOUND% -m batch.launcher %*
set "CODE=%ERRORLEVEL%"
popd
goto :end

:probe
rem The Store's python.exe exists and does not run, so only running one tells.
%PY% -c "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 11)" >nul 2>nul
if "%ERRORLEVEL%"=="0" set FOUND=%PY%
if "%ERRORLEVEL%"=="11" set "TOO_OLD=1"
goto :eof

:no_python
if defined TOO_OLD echo Python na tym komputerze jest za stary. / The Python on this computer is too old.
if not defined TOO_OLD echo Na tym komputerze nie ma Pythona. / There is no Python on this computer.
echo.
echo Pobierz Python 3.11 lub nowszy: https://www.python.org/downloads/
echo Przy instalacji zaznacz "Add python.exe to PATH", potem uruchom run.bat ponownie.
echo.
echo Get Python 3.11 or newer: https://www.python.org/downloads/
echo Tick "Add python.exe to PATH" while installing it, then start run.bat again.
popd
set "CODE=2"
goto :end

:no_program
echo Obok run.bat nie ma programu. Skopiuj caly jego folder, nie tylko ten plik.
echo The program is not beside run.bat. Copy its whole folder, not only this file.
popd
set "CODE=2"
goto :end

:no_folder
echo Nie mozna otworzyc folderu / The folder cannot be opened: "%RUN_BAT_FOLDER%"
set "CODE=2"

:end
if defined CI exit /b %CODE%
if /i "%~1"=="--no-pause" exit /b %CODE%
pause
exit /b %CODE%
