/**
 * Boots a machine once and freezes it, with hands started and without user data. Restoring the file takes a tenth of the time. It is cached
 * under a hash of everything that must match: the image, QEMU, the processor, memory, disk size, settings.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createWriteStream, existsSync } from 'node:fs'
import { chown, mkdir, mkdtemp, open, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Duplex } from 'node:stream'
import { OxbowError } from '../../base/index.ts'
import type { Hands } from '../../protocol/index.ts'
import { sandboxUid } from '../tier-plan.ts'
import { bootTimeoutMs, maxMonitorBytes, maxSnapshots, snapshotTimeoutMs } from '../limits.ts'
import { readyWord } from './guest-init.ts'
import { attachMachine, waitForWord, type LaunchedMachine, launchMachine, type MachineParts } from './machine.ts'
import { ownName, removeOldest, removeOrphans } from '../kept-files.ts'
import { diskFile, insideDisk } from './qemu-command.ts'

const socketName = 'out.sock'

export type SnapshotParts = Omit<MachineParts, 'diskFolder'>

/** @returns a snapshot for machines of these parts; created if missing. @throws OxbowError `sandbox_failed` */
export async function machineSnapshot(parts: SnapshotParts, folder: string): Promise<string> {
  const { size, mtimeMs } = await stat(parts.qemu)
  const same = [basename(parts.image), parts.shape, parts.diskMb, size, mtimeMs, parts.shape.accel === 'kvm' ? processor() : '']
  const file = join(folder, `${createHash('sha256').update(JSON.stringify(same)).digest('hex').slice(0, 24)}.snapshot`)
  if (existsSync(file)) return file
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await removeOrphans(folder)
  const draft = `${ownName(file)}-${randomBytes(4).toString('hex')}`
  try {
    await makeSnapshot(parts, draft)
    await rename(draft, file)
  } finally {
    await rm(draft, { force: true })
  }
  await removeOldest(folder, (name) => name.endsWith('.snapshot'), maxSnapshots)
  return file
}

/** With KVM the guest has detected the host's processor. */
function processor(): string {
  const { cpus } = process.getBuiltinModule('node:os')
  return cpus()[0]?.model ?? ''
}

/** @returns whether a machine of these parts gets ready in time. Never throws. */
export async function machineBoots(parts: SnapshotParts, timeoutMs: number): Promise<boolean> {
  return withEmptyDisk(parts, timeoutMs, () => Promise.resolve()).then(
    () => true,
    () => false,
  )
}

function makeSnapshot(parts: SnapshotParts, draft: string): Promise<void> {
  return withEmptyDisk(parts, bootTimeoutMs, (machine, diskFolder) => freeze(machine, diskFolder, draft))
}

/** Boots a machine until hands wait, runs the work, and ends it. */
async function withEmptyDisk(
  parts: SnapshotParts,
  timeoutMs: number,
  then: (machine: LaunchedMachine, diskFolder: string) => Promise<void>,
): Promise<void> {
  // The path of a unix socket is limited to about a hundred bytes, which a workspace may exceed.
  await removeOrphans(tmpdir())
  const diskFolder = await mkdtemp(`${ownName(join(tmpdir(), 'oxbow-vm'))}-`)
  try {
    const disk = await open(join(diskFolder, diskFile), 'w')
    await disk.truncate(parts.diskMb * 1024 * 1024)
    await disk.close()
    if (process.getuid?.() === 0) for (const path of [join(diskFolder, diskFile), diskFolder]) await chown(path, sandboxUid, sandboxUid)
    const machine = launchMachine({ ...parts, diskFolder }, 'with monitor')
    try {
      const [started] = await Promise.all([attachMachine(machine, timeoutMs, () => undefined), waitForWord(machine, readyWord, timeoutMs)])
      await warmUp(started.hands, timeoutMs)
      if (started.online !== null) await warmUp(started.online, timeoutMs)
      await then(machine, diskFolder)
    } finally {
      machine.child.kill('SIGKILL')
      await machine.gone
    }
  } finally {
    await rm(diskFolder, { recursive: true, force: true })
  }
}

/**
 * Sends one request of each common kind, so that the code they load and compile is in the snapshot. Their results do not matter: there is
 * no workspace yet.
 */
async function warmUp(hands: Hands, timeoutMs: number): Promise<void> {
  const options = { signal: new AbortController().signal, timeoutMs }
  const command = { command: 'true', cwd: '/tmp', stdin: '', timeoutMs, maxOutputBytes: 1_000 }
  const requests = [
    hands.ask('exec', command, options),
    hands.ask('read', { path: '/shared/x', fromLine: 1, maxLines: 1, maxBytes: 1 }, options),
    hands.ask('survey', { path: '/shared', maxEntries: 1 }, options),
  ]
  await Promise.allSettled(requests)
}

/** Has QEMU send the machine's state through a socket, and saves it. */
export async function freeze(
  { monitor: port, exited }: Pick<LaunchedMachine, 'monitor' | 'exited'>,
  diskFolder: string,
  draft: string,
): Promise<void> {
  const monitor = connectMonitor(port!)
  const written = Promise.withResolvers<void>()
  // A failure may come before or after this is awaited.
  written.promise.catch(() => undefined)
  const fail = (why: string): void => written.reject(failed(why))
  const ask: Monitor = (execute, argument) => {
    const answer = monitor(execute, argument)
    return Promise.race([answer, written.promise.then(() => answer)])
  }
  const net = process.getBuiltinModule('node:net')
  const server = net.createServer((socket) => {
    server.close()
    pipeline(socket, createWriteStream(draft, { mode: 0o600 })).then(written.resolve, written.reject)
  })
  server.once('error', written.reject)
  const limit = setTimeout(() => fail('it took too long'), snapshotTimeoutMs)
  void exited.then(() => fail('QEMU exited'))
  try {
    // Protected by the folder: only we and QEMU may enter it.
    server.listen({ path: join(diskFolder, socketName), readableAll: true, writableAll: true })
    await ask('qmp_capabilities', {})
    await ask('migrate-set-parameters', { 'max-bandwidth': 2 ** 32 })
    await ask('migrate', { uri: `unix:${insideDisk}/${socketName}` })
    await written.promise
    const { status } = await ask('query-migrate', {})
    if (status !== 'completed') throw failed(`QEMU reports ${String(status)}`)
  } finally {
    clearTimeout(limit)
    server.close()
  }
}

type Monitor = (execute: string, argument: Record<string, unknown>) => Promise<Record<string, unknown>>

/** A QMP client, one command at a time. No untrusted guest has run in this QEMU; its replies are limited all the same. */
function connectMonitor(socket: Duplex): Monitor {
  let text = ''
  let answered = Promise.withResolvers<Record<string, unknown>>()
  answered.promise.catch(() => undefined)
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString()
    if (text.length > maxMonitorBytes) return answered.reject(failed('the reply of QEMU is too long'))
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const message = JSON.parse(text.slice(0, end)) as { return?: Record<string, unknown>; error?: { desc?: string } }
      text = text.slice(end + 1)
      if (message.error !== undefined) answered.reject(failed(message.error.desc ?? 'QEMU refuses the command'))
      else if (message.return !== undefined) answered.resolve(message.return)
    }
  })
  socket.once('close', () => answered.reject(failed('QEMU exited')))
  return async (execute, argument) => {
    answered = Promise.withResolvers()
    socket.write(`${JSON.stringify({ execute, arguments: argument })}\n`)
    return answered.promise
  }
}

function failed(why: string): OxbowError {
  return new OxbowError('sandbox_failed', `The micro VM could not be frozen into a snapshot: ${why}.`, {
    hint: 'Check that the disk of the cache folder has space, and try again.',
  })
}
