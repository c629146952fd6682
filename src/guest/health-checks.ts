/** What a running guest finds about its own surroundings: files, disk, versions, model service and sandbox. See `system.health`. */
import { lstat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { reachModel } from '../engine/index.ts'
import type { KernelOptions } from '../kernel/index.ts'
import { examineMachine } from '../sandbox/index.ts'
import type { DoctorCheck, SandboxStatus } from '../protocol/index.ts'
import type { GuestEnvelope } from '../config/index.ts'
import { withStoredSecrets } from './guest-store.ts'
import { sandboxFolders } from './host-ways.ts'

export type HealthProbe = NonNullable<KernelOptions['health']>

type Finding = Pick<DoctorCheck, 'state' | 'says' | 'fix'>

/** A service that takes longer than this to answer is as good as gone for a person who waits. */
const modelTimeoutMs = 5_000

/** @param sandbox how hands are isolated at the moment */
export function createHealthProbe(envelope: GuestEnvelope, sandbox: () => SandboxStatus): HealthProbe {
  return async function* probe(part) {
    if (part === 'model') yield await timed('model', () => checkModel(envelope))
    else if (part === 'machine') yield* checkMachine(envelope)
    else {
      yield await timed('sandbox', async () => checkSandbox(sandbox()), true)
      yield await timed('versions', async () => checkVersions(envelope))
      yield await timed('disk space', () => checkDisk(envelope.workspaceRoot))
      yield await timed('permissions', () => checkPermissions(envelope.workspaceRoot))
    }
  }
}

/** For `oxbow doctor`, while no guest may be running: what takes longest comes last. The runner checks files and ports. */
export async function* examine(envelope: GuestEnvelope): AsyncGenerator<DoctorCheck> {
  yield await timed('versions', async () => checkVersions(envelope))
  yield await timed('disk space', () => checkDisk(envelope.workspaceRoot))
  yield await timed('model', async () => checkModel(await withStoredSecrets(envelope)))
  yield* checkMachine(envelope)
}

async function timed(name: string, check: () => Promise<Finding>, required = false): Promise<DoctorCheck> {
  const began = performance.now()
  const finding = await check().catch((error: unknown): Finding => {
    return {
      state: 'weak',
      says: `it could not be checked: ${error instanceof Error ? error.message : String(error)}`,
      fix: 'Run `oxbow doctor`.',
    }
  })
  return { name, ...finding, required, ms: Math.round(performance.now() - began) }
}

async function checkModel({ config, keys }: GuestEnvelope): Promise<Finding> {
  const { state, model, message, hint } = await reachModel({ config, env: keys }, modelTimeoutMs)
  const isWeak = state === 'local' || state === 'unlisted'
  const works = state === 'reached' || state === 'unknown' || (state === 'local' && hint === '')
  return { state: works ? 'ok' : isWeak ? 'weak' : 'missing', says: model === '' ? message : `${model}: ${message}`, fix: hint }
}

/** An isolated guest has no engines to try: its runner has them. */
async function* checkMachine(envelope: GuestEnvelope): AsyncGenerator<DoctorCheck> {
  const { config, workspaceRoot, isolation } = envelope
  if (isolation !== undefined) {
    const says = 'this guest is in a container of its own and cannot try other sandboxes'
    yield { name: 'machine', state: 'ok', says, fix: 'Run `oxbow doctor` in a terminal.', required: false, ms: 0 }
    return
  }
  yield* examineMachine({ config, shared: join(workspaceRoot, 'shared'), ...sandboxFolders(envelope) })
}

function checkSandbox({ asked, tier, provider, files, shell, problem, degraded }: SandboxStatus): Finding {
  const says = `${tier === 'none' ? 'none works' : `${tier} tier${provider === '' ? '' : `, ${provider}`}`}; files ${onOff(files)}, shell ${onOff(shell)}`
  if (problem !== null) return { state: 'missing', says: `${says}: ${problem.message}`, fix: problem.hint }
  if (tier === 'insecure') return { state: 'weak', says, fix: 'Start without --insecure: commands now run with your own rights.' }
  if (tier !== asked)
    return { state: 'weak', says: `${says}; ${asked} is configured`, fix: 'Set sandbox.allow_lower = false to refuse that.' }
  if (degraded.length > 0) return { state: 'weak', says: `${says}; not in force: ${degraded.join(', ')}`, fix: 'See docs/isolation.md.' }
  return { state: 'ok', says, fix: '' }
}

const onOff = (isOn: boolean): string => (isOn ? 'on' : 'off')

/** The oldest Node.js that Oxbow runs on. */
const oldestNode = 24

function checkVersions({ version }: GuestEnvelope): Finding {
  const says = `Oxbow ${version}, Node ${process.version}, ${process.platform} ${process.arch}`
  const isOld = Number(process.versions.node.split('.', 1)[0]) < oldestNode
  return isOld ? { state: 'weak', says, fix: `Install Node ${oldestNode} or newer.` } : { state: 'ok', says, fix: '' }
}

const bytesPerGb = 1e9
/** With less, a large answer or a backup may no longer fit. */
const littleBytes: number = 2 * bytesPerGb
const noneBytes: number = 0.2 * bytesPerGb

async function checkDisk(folder: string): Promise<Finding> {
  const { bavail, bsize, blocks } = await statfs(folder)
  const free = bavail * bsize
  const says = `${(free / bytesPerGb).toFixed(1)} of ${((blocks * bsize) / bytesPerGb).toFixed(1)} GB are free`
  const fix = 'Delete what you do not need; `oxbow store vacuum` shrinks the database.'
  return free >= littleBytes ? { state: 'ok', says, fix: '' } : { state: free < noneBytes ? 'missing' : 'weak', says, fix }
}

/** Files that hold secrets or the journal: only their owner may reach them. */
const privateNames = ['internal', 'internal/oxbow.db', 'ipc', 'ipc/token', 'vault'] as const

/** A folder that nobody else can enter protects what is in it. */
async function checkPermissions(root: string): Promise<Finding> {
  const modeOf = async (path: string): Promise<number> => (await lstat(path).catch(() => null))?.mode ?? 0
  const isOpen = (mode: number): boolean => (mode & 0o077) !== 0
  if (!isOpen(await modeOf(root))) return { state: 'ok', says: 'only you can open the workspace', fix: '' }
  const open: string[] = []
  for (const name of privateNames) {
    const isInside = name.includes('/') && !open.includes(name.split('/', 1)[0]!)
    if (!isInside && isOpen(await modeOf(join(root, name)))) open.push(name)
  }
  if (open.length === 0) return { state: 'ok', says: 'only you can open the database, the keys and the vault', fix: '' }
  return {
    state: 'weak',
    says: `others on this machine can open ${open.join(', ')}`,
    fix: `chmod -R go-rwx ${open.map((name) => quoted(join(root, name))).join(' ')}`,
  }
}

/** As one word of a shell. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", String.raw`'\''`)}'`
}
