/**
 * The process tier where there is no bubblewrap of our own: macOS, by `@anthropic-ai/sandbox-runtime` (sandbox-exec there). It has no
 * mount namespaces, so hands see the folders of the workspace where they are, and map `/shared` and `/tmp` to them.
 *
 * The same code runs on Linux, where the runtime takes bubblewrap and socat: its tests do that. It is never chosen there, as
 * bubblewrap-tier.ts holds more in a quarter of the time. What differs between the systems is in hidden-folders.ts.
 */
import { existsSync, realpathSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Failure, OxbowError } from '../base/index.ts'
import type { Lack, Profile } from '../protocol/index.ts'
import { loadHandsProgram } from './bubblewrap/hands-program.ts'
import { quote } from './bubblewrap/launch-command.ts'
import { findDiskLimit } from './disk.ts'
import { type HandsProcess, startHands } from './hands/hands-process.ts'
import { keepFile } from './kept-files.ts'
import { maxOpenFiles } from './limits.ts'
import { nodeFlags, type TierOptions, type TierPlan, type TierProvider } from './tier-plan.ts'

/** What of the runtime is used here; its own types are of an optional package. */
export interface Runtime {
  initialize(config: RuntimeConfig): Promise<void>
  checkDependenciesAsync(): Promise<{ readonly errors: readonly string[] }>
  wrapWithSandboxArgv(command: string, shell: string, config: Partial<RuntimeConfig>): Promise<{ readonly argv: readonly string[] }>
  reset(): Promise<void>
}

export interface FilesystemRules {
  readonly denyRead: readonly string[]
  readonly allowRead: readonly string[]
  readonly allowWrite: readonly string[]
  readonly denyWrite: readonly string[]
}

export interface RuntimeConfig {
  readonly network: { readonly allowedDomains: readonly string[]; readonly deniedDomains: readonly string[] }
  readonly filesystem: FilesystemRules
}

const noNetwork: RuntimeConfig['network'] = { allowedDomains: [], deniedDomains: [] }

export const srtTier: TierProvider = {
  tier: 'process',
  async plan(options) {
    const runtime = await loadRuntime(homeOf(options))
    if ('code' in runtime) return runtime
    const { errors } = await runtime.checkDependenciesAsync()
    if (errors.length > 0) return missing(errors.join(' '), 'On Linux: apt-get install bubblewrap socat ripgrep.')
    return tierPlan(runtime, options)
  },
}

const packageName = '@anthropic-ai/sandbox-runtime'
/** The version that this file was tested with: the package is a beta, and its interface may change. */
const packageVersion = '0.0.83'

/**
 * It is no dependency of Oxbow, because only macOS needs its 18 MB. It is loaded from Oxbow's own installation, else from the Oxbow home.
 * @param home where the person may have installed it; its code runs with everything that this process may do
 * @param from URL of the file whose installation is searched first; this one when absent
 * @returns the package, or how to install it
 */
export async function loadRuntime(home: string, from?: string): Promise<Runtime | Failure> {
  const folder = runtimeFolder(home, from)
  if (folder === null) {
    return missing(`the package ${packageName} is not installed.`, `Run: ${installCommand(home)}`)
  }
  try {
    const loaded = (await import(pathToFileURL(join(folder, 'dist/index.js')).href)) as { SandboxManager: Runtime }
    return loaded.SandboxManager
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error)
    return missing(`the package ${packageName} cannot be loaded: ${why}.`, `Run: ${installCommand(home)}`)
  }
}

function installCommand(home: string): string {
  return `npm install --prefix ${quote(home)} ${packageName}@${packageVersion}`
}

/** @returns real path of the package's folder; null where it is not installed */
function runtimeFolder(home: string, from: string = import.meta.url): string | null {
  const { createRequire } = process.getBuiltinModule('node:module')
  const places = [...(createRequire(from).resolve.paths(packageName) ?? []), join(home, 'node_modules')]
  const found = places.map((place) => join(place, packageName)).find((folder) => existsSync(folder))
  return found === undefined ? null : realpathSync(found)
}

/** @returns the Oxbow home: the folder that holds the folder of images */
function homeOf({ imageFolder }: TierOptions): string {
  return dirname(imageFolder)
}

function missing(what: string, hint: string): Failure {
  return { code: 'sandbox_missing', message: `No sandbox: ${what} File and shell tools are off.`, hint }
}

const lack: Lack = {
  why: 'the provider sandbox-runtime does not have',
  hint: 'Set sandbox.tier = "container" in config.toml.',
}

export function tierPlan(runtime: Runtime, options: TierOptions): TierPlan {
  const { folders, limits, diskProblem } = options
  const disk = findDiskLimit(folders, limits.disk_mb, diskProblem)
  let ready: Promise<void> | null = null
  return {
    provider: 'sandbox-runtime',
    profiles: ['work', 'vault-read'],
    lacking: { online: lack, browser: lack },
    shell: false,
    limits: ['network: none', `largest file: ${limits.max_file_mb} MB`, ...disk.inForce],
    degraded: [
      'commands: off; this provider has no way to end all that a command has started',
      'memory: not limited',
      'processes: not limited',
      'programs and settings of the machine can be read; homes and other disks cannot',
      ...disk.missing,
    ],
    async start(profile) {
      const rules = rulesFor(profile, options, process.platform)
      // One for the whole process: the runtime has no second. What a profile may do comes with each command.
      ready ??= runtime.initialize({ network: noNetwork, filesystem: rules })
      const initialized = ready
      try {
        await initialized.catch((error: unknown) => {
          // The next start tries anew.
          if (ready === initialized) ready = null
          throw error
        })
        return await startUnder(runtime, rules, options, profile)
      } catch (error) {
        throw explained(error)
      }
    },
    async close() {
      await ready?.catch(() => undefined)
      if (ready !== null) await runtime.reset()
      ready = null
    },
  }
}

async function startUnder(runtime: Runtime, rules: FilesystemRules, options: TierOptions, profile: Profile): Promise<HandsProcess> {
  const { folders, limits } = options
  const hands = keepFile(handsFile(options), await loadHandsProgram())
  const mapped = profile === 'vault-read' ? ['--mapped-vault', folders.vault] : ['--mapped', folders.shared, folders.tmp]
  const words = [realpathSync(process.execPath), ...nodeFlags, hands, ...mapped]
  // In blocks of 512 bytes, as POSIX says of sh.
  const bounds = `ulimit -f ${limits.max_file_mb * 2048}; ulimit -n ${maxOpenFiles}; ulimit -c 0`
  const { file, args } = await underRuntime(runtime, rules, folders.tmp, `${bounds}; exec ${words.map(quote).join(' ')}`)
  return startHands({ file, args, cwd: dirname(hands), data: [] }, () => Promise.resolve())
}

/** Nothing of our environment: the runtime would pass all of it on. */
export async function underRuntime(
  runtime: Runtime,
  filesystem: FilesystemRules,
  home: string,
  command: string,
): Promise<{ readonly file: string; readonly args: readonly string[] }> {
  const { argv } = await runtime.wrapWithSandboxArgv(command, '/bin/sh', { network: noNetwork, filesystem })
  return { file: '/usr/bin/env', args: ['-i', `PATH=${runtimePath(process.platform)}`, `HOME=${home}`, ...argv] }
}

/** Homes are closed as a whole, and of the workspace what a profile sees is opened again. */
export function rulesFor(profile: Profile, options: TierOptions, platform: NodeJS.Platform): FilesystemRules {
  const { folders } = options
  const seen = profile === 'vault-read' ? [folders.vault] : [folders.shared, folders.tmp]
  const program = [dirname(handsFile(options)), realpathSync(process.execPath), ...runtimeHelpers(homeOf(options))]
  return {
    denyRead: [...hiddenFolders(platform, ownHome()), realpathSync(tmpdir()), dirname(folders.shared)],
    allowRead: [...seen, ...program],
    allowWrite: profile === 'vault-read' ? [] : seen,
    denyWrite: [],
  }
}

/** @returns '/' without one */
function ownHome(): string {
  const home = homedir()
  return isAbsolute(home) && existsSync(home) ? realpathSync(home) : '/'
}

/** Programs that the runtime starts inside. The package may be installed in a folder that is hidden there, such as a home. */
function runtimeHelpers(home: string): readonly string[] {
  const folder = runtimeFolder(home)
  return folder === null ? [] : [join(folder, 'vendor')].filter((path) => existsSync(path))
}

function handsFile({ cacheFolder }: TierOptions): string {
  return join(cacheFolder, 'hands-mapped', 'hands.cjs')
}

function explained(error: unknown): OxbowError {
  const message = error instanceof Error ? error.message : 'unknown failure'
  return new OxbowError('sandbox_missing', message, { hint: 'See docs/isolation.md, “macOS”.', cause: error })
}

// Folders of the machine that hold what is not for agents, for each system. Everything else can be read, as by any other user of the
// machine. The lists for macOS are from documentation and were never tried on a Mac.
const everywhere = ['/opt', '/root', '/home', '/mnt', '/media', '/srv', '/boot'] as const

/** Homes, other disks, what services keep. /etc and /private/etc stay: linkers, TLS and names need them. */
const ofMacOs = [
  '/Users',
  '/Volumes',
  '/Network',
  '/private/var/root',
  '/private/var/db/dslocal',
  '/private/var/log',
  '/Library/Keychains',
] as const

const ofLinux = [...everywhere, '/var', '/etc/shadow', '/etc/gshadow', '/etc/ssh', '/run'] as const

/** @param home of the person, as a real path: it may be somewhere else than homes usually are */
export function hiddenFolders(platform: NodeJS.Platform, home: string): readonly string[] {
  const usual = platform === 'darwin' ? ofMacOs : ofLinux
  // Accounts of services often have the root folder for a home.
  return home === '/' || usual.some((folder) => `${home}/`.startsWith(`${folder}/`)) ? usual : [...usual, home]
}

/** Programs that the runtime itself needs, where they usually are. */
export function runtimePath(platform: NodeJS.Platform): string {
  return platform === 'darwin' ? '/usr/bin:/bin:/usr/sbin:/sbin:/opt/homebrew/bin:/usr/local/bin' : '/usr/bin:/bin:/usr/sbin:/sbin'
}
