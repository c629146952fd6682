/** Finds what the browser is made of on this machine: Chromium, and the package that drives it. Nothing is started. */
import { realpathSync } from 'node:fs'
import { dirname, isAbsolute } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Config, Failure } from '../../types/index.ts'
import { isExecutable } from '../bubblewrap/sandbox-tools.ts'

export interface BrowserParts {
  /** Real path of the program: a script around it would look for things that the sandbox does not have. */
  readonly program: string
  /** Real path of the package's folder. */
  readonly driver: string
}

/** Where distributions put the program itself: Debian, Ubuntu without snaps, Fedora, Arch, Alpine; then Chrome. */
const places = [
  '/usr/lib/chromium/chromium',
  '/usr/lib/chromium-browser/chromium-browser',
  '/usr/lib64/chromium-browser/chromium-browser',
  '/opt/google/chrome/chrome',
]

/** @returns the parts, or why there is no browser and what to install */
export function findBrowser({ program }: Pick<Config['browser'], 'program'>): BrowserParts | Failure {
  const found = program === '' ? places.find(isExecutable) : [program].find((path) => isAbsolute(path) && isExecutable(path))
  if (found === undefined) {
    return program === ''
      ? missing(
          'No browser: Chromium is not installed.',
          'Install with: apt-get install chromium (or name it by browser.program in config.toml).',
        )
      : missing(
          `No browser: there is no program at ${program}.`,
          'Set browser.program in config.toml to the whole path of Chromium itself, or leave it empty.',
        )
  }
  const driver = findDriver()
  if (driver === null) return missing('No browser: the package playwright-core is not installed.', 'Run: npm install playwright-core')
  return { program: realpathSync(found), driver }
}

/** Loaded inside the sandbox only: here its folder is looked up, beside the sources or beside the bundle. */
export function findDriver(): string | null {
  try {
    return dirname(realpathSync(fileURLToPath(import.meta.resolve('playwright-core/package.json'))))
  } catch {
    return null
  }
}

function missing(message: string, hint: string): Failure {
  return { code: 'sandbox_missing', message, hint }
}
