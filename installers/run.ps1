# Installs what is missing and starts the workstation on Windows.
#   powershell -ExecutionPolicy Bypass -File installers\run.ps1 [--demo] [arguments for lightbox]
$ErrorActionPreference = "Stop"
Set-Location (Join-Path $PSScriptRoot "..")

function Find-Python {
    foreach ($candidate in @(@("py", "-3"), @("python"), @("python3"))) {
        $command = $candidate[0]
        if (-not (Get-Command $command -ErrorAction SilentlyContinue)) { continue }
        $rest = @($candidate | Select-Object -Skip 1)
        & $command @rest -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>$null
        if ($LASTEXITCODE -eq 0) { return ,$candidate }
    }
    throw "Python 3.11 or newer is needed; none was found. Install it from python.org or the Microsoft Store."
}

$python = ".venv\Scripts\python.exe"
if (-not (Test-Path $python)) {
    $found = Find-Python
    $rest = @($found | Select-Object -Skip 1)
    & $found[0] @rest -m venv .venv
    if ($LASTEXITCODE -ne 0) { throw "The virtual environment could not be created." }
}
$lock = "installers\requirements.lock"
$wanted = (Get-FileHash $lock).Hash + (Get-FileHash "pyproject.toml").Hash
$stamp = ".venv\lightbox-requirements.stamp"
if (-not (Test-Path $stamp) -or (Get-Content $stamp -Raw).Trim() -ne $wanted) {
    Write-Host "lightbox: installing Python packages (the first time takes some minutes)"
    & $python -m pip install --quiet --disable-pip-version-check --require-hashes -r $lock
    if ($LASTEXITCODE -ne 0) { throw "The Python packages could not be installed." }
    & $python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
    if ($LASTEXITCODE -ne 0) { throw "Lightbox could not be installed." }
    Set-Content -Path $stamp -Value $wanted
}
$arguments = @($args)
if ($arguments.Count -gt 0 -and $arguments[0] -eq "--demo") {
    $arguments = @("demo") + @($arguments | Select-Object -Skip 1)
}
& ".venv\Scripts\lightbox.exe" @arguments
exit $LASTEXITCODE
