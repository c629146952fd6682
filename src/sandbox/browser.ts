/**
 * The browser profile: where Chromium and the package that drives it are on this machine, the policies that Chromium must obey, and
 * what hands of this profile see and may use. Cookies and storage of agents are in a folder that no other profile sees, so that no file
 * tool and no command can read them. Starts nothing.
 */
import { chownSync, existsSync, mkdirSync, realpathSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Failure, toError } from '../base/index.ts'
import type { Config } from '../config/index.ts'
import type { LaunchPlan } from './bubblewrap/launch-command.ts'
import { isExecutable } from './host-programs.ts'
import { browserFileMb, browserProcesses } from './limits.ts'
import { type FolderMount, sandboxUid, type TierOptions } from './tier-plan.ts'

interface BrowserParts {
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

/** Loaded inside the sandbox only: here its folder is looked up, next to the sources or next to the bundle. */
export function findDriver(): string | null {
  const beside = fileURLToPath(new URL('./playwright-core', import.meta.url))
  if (existsSync(beside)) return beside
  try {
    return dirname(realpathSync(fileURLToPath(import.meta.resolve('playwright-core/package.json'))))
  } catch {
    return null
  }
}

function missing(message: string, hint: string): Failure {
  return { code: 'sandbox_missing', message, hint }
}

/**
 * What hands of profile `browser` see and may use: /tmp, and of the browser what it is made of. Cookies and storage of agents stand
 * in a folder that no other profile sees, so that no file tool and no command can read them.
 */

/** @throws OxbowError `sandbox_missing` when the browser was taken away since the plan was made */
export function browserView({
  folders,
  browser,
  cacheFolder,
}: TierOptions): Pick<LaunchPlan, 'folders' | 'entryArgs' | 'memoryMb' | 'processes' | 'maxFileMb' | 'files'> {
  const parts = findBrowser(browser)
  if ('code' in parts) throw toError(parts)
  const profiles = ownProfiles(cacheFolder)
  const shown = (host: string, inside = host): FolderMount => ({ host, inside, writable: false })
  return {
    folders: [
      { host: folders.tmp, inside: '/tmp', writable: true },
      { host: profiles, inside: '/profiles', writable: true },
      shown(parts.driver, '/opt/oxbow/playwright-core'),
      ...(existsSync('/etc/fonts') ? [shown('/etc/fonts')] : []),
      ...(parts.program.startsWith('/usr/') ? [] : [shown(dirname(parts.program))]),
    ],
    entryArgs: ['--browser', parts.program],
    memoryMb: browser.memory_mb,
    processes: browserProcesses,
    maxFileMb: browserFileMb,
    files: policyFiles.map((path) => ({ path, text: browserPolicy })),
  }
}

/** @returns the folder that holds a folder for each agent; made, and hands' own. */
export function ownProfiles(cacheFolder: string): string {
  const profiles = join(cacheFolder, 'browser')
  mkdirSync(profiles, { recursive: true, mode: 0o700 })
  if (process.getuid?.() === 0) chownSync(profiles, sandboxUid, sandboxUid)
  return profiles
}

/**
 * Policies for Chromium (chromeenterprise.google/policies), which pages cannot change: only web addresses,
 * no traffic of its own, no prompts that a person would have to answer.
 */

/** Where Chromium and Chrome read policies that bind. */
export const policyFiles: readonly string[] = ['/etc/chromium/policies/managed/oxbow.json', '/etc/opt/chrome/policies/managed/oxbow.json']

export const browserPolicy: string = JSON.stringify({
  // Files are the sandbox's, including hands; the others are the browser's own pages. `data:` and `javascript:` are
  // left to pages, which are what they are made for; Chromium does not let them fill a tab.
  URLBlocklist: ['file://*', 'chrome://*', 'chrome-untrusted://*', 'devtools://*', 'view-source:*', 'filesystem:*', 'ftp://*'],
  ExtensionInstallBlocklist: ['*'],
  DeveloperToolsAvailability: 1,
  // Ways out that lead nowhere here; without them nothing waits for an answer that cannot come.
  DnsOverHttpsMode: 'off',
  BuiltInDnsClientEnabled: false,
  QuicAllowed: false,
  NetworkPredictionOptions: 2,
  WebRtcIPHandling: 'disable_non_proxied_udp',
  ComponentUpdatesEnabled: false,
  MetricsReportingEnabled: false,
  SafeBrowsingProtectionLevel: 0,
  SearchSuggestEnabled: false,
  TranslateEnabled: false,
  SpellcheckEnabled: false,
  AlternateErrorPagesEnabled: false,
  BackgroundModeEnabled: false,
  SyncDisabled: true,
  BrowserSignin: 0,
  PasswordManagerEnabled: false,
  AutofillAddressEnabled: false,
  AutofillCreditCardEnabled: false,
  // 2: no.
  DefaultGeolocationSetting: 2,
  DefaultNotificationsSetting: 2,
  DefaultSensorsSetting: 2,
  DefaultWebBluetoothGuardSetting: 2,
  DefaultWebUsbGuardSetting: 2,
  DefaultSerialGuardSetting: 2,
  DefaultWebHidGuardSetting: 2,
  DefaultLocalFontsSetting: 2,
  DefaultFileSystemReadGuardSetting: 2,
  DefaultFileSystemWriteGuardSetting: 2,
  DefaultWindowManagementSetting: 2,
  AudioCaptureAllowed: false,
  VideoCaptureAllowed: false,
  ScreenCaptureAllowed: false,
})
