/** Real hands over every way that a tier may choose: a unix socket from either side, and a device. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdir, mkdtemp, readFile, readdir, realpath, rm, stat } from 'node:fs/promises'
import { Socket, connect, createServer } from 'node:net'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { findHandsEntry } from '../bubblewrap/hands-program.ts'
import { refusedWith } from '../sandbox-contract.ts'
import { attachHands, collectDiagnostics } from './hands-process.ts'
import type { HandsProcess } from './hands-process.ts'

const calm = { signal: new AbortController().signal, timeoutMs: 30_000 }
const uid = 60_999

describe('hands', () => {
  let root = ''
  before(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-attach-')))
    if (process.getuid?.() === 0) await chown(root, uid, uid)
  })
  after(() => rm(root, { recursive: true, force: true }))

  async function startHands(flags: readonly string[]): Promise<{ child: ChildProcess; exited: Promise<void> }> {
    const [shared, tmp] = [join(root, 'shared'), join(root, 'tmp')]
    for (const folder of [shared, tmp]) {
      await mkdir(folder, { recursive: true })
      if (process.getuid?.() === 0) await chown(folder, uid, uid)
    }
    const args = ['--disable-warning=ExperimentalWarning', findHandsEntry(), ...flags, '--mapped', shared, tmp]
    const child = spawn(process.execPath, args, { env: {}, stdio: ['ignore', 'ignore', 'pipe'] })
    const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
    return { child, exited }
  }

  function attach({ child, exited }: Awaited<ReturnType<typeof startHands>>, socket: Socket): Promise<HandsProcess> {
    const kill = (): void => {
      socket.destroy()
      child.kill('SIGKILL')
    }
    // What they said last may still be on its way here, or in a bridge.
    const gone = exited.then(() =>
      socket.pending || socket.closed ? undefined : new Promise<void>((resolve) => socket.once('close', () => resolve())),
    )
    return attachHands({ input: socket, output: socket, diagnostics: collectDiagnostics(child.stderr!), exited: gone, gone, kill })
  }

  /** Writes, reads and shuts down. */
  async function workThenEnd({ hands }: HandsProcess, child: ChildProcess): Promise<void> {
    const content = Buffer.alloc(300_000, 7)
    const piece = { path: '/shared/a', upload: 'u', offset: 0, content, last: true, overwrite: true }
    assert.equal((await hands.ask('put', piece, calm)).bytes, content.length)
    const back = await hands.ask('bytes', { path: '/shared/a', offset: 0, maxBytes: 1_000_000 }, calm)
    assert.ok(content.equals(back.content))
    await hands.ask('put', { ...piece, upload: 'v', last: false }, calm)
    const closed = child.exitCode === null ? once(child, 'close') : Promise.resolve()
    assert.deepEqual(await hands.ask('shutdown', {}, calm), {})
    await closed
    assert.equal(child.exitCode, 0)
    assert.deepEqual(await readdir(join(root, 'shared')), ['a'])
  }

  it('answer over a socket that they make, which takes one kernel and no second', async () => {
    const path = join(root, 'listen.sock')
    const started = await startHands(['--listen', path])
    const socket = await connectWhenThere(path, started.child)
    const process = await attach(started, socket)
    await assert.rejects(once(connect(path), 'connect'))
    await workThenEnd(process, started.child)
    await process.kill()
  })

  it('answer over a socket that the kernel has made', async () => {
    const path = join(root, 'connect.sock')
    const server = createServer()
    server.listen(path)
    await once(server, 'listening')
    const started = await startHands(['--connect', path])
    const process = await attach(started, await accepted(server))
    await workThenEnd(process, started.child)
    await process.kill()
    server.close()
  })

  it('end when the kernel ends the connection', async () => {
    const path = join(root, 'gone.sock')
    const started = await startHands(['--listen', path])
    const socket = await connectWhenThere(path, started.child)
    const process = await attach(started, socket)
    socket.destroy()
    await started.exited
    assert.equal(started.child.exitCode, 0)
    await refusedWith('sandbox_failed', process.hands.ask('stat', { path: '/shared' }, calm))
  })

  const noSocat = spawnSync('socat', ['-V']).status === 0 ? false : 'socat is missing: apt-get install socat'
  it('answer over a device, as another user from then on', { skip: noSocat }, async () => {
    const path = join(root, 'device.sock')
    const link = join(root, 'device')
    const bridge = spawn('socat', ['-d', '-d', `PTY,link=${link},raw,echo=0,user=root`, `UNIX-LISTEN:${path}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    try {
      await said(bridge, /listening on/)
      const socket = connect(path)
      const isRoot = process.getuid?.() === 0
      const started = await startHands(['--device', link, ...(isRoot ? ['--user', String(uid)] : [])])
      const hands = await attach(started, socket)
      const status = await readFile(`/proc/${started.child.pid}/status`, 'utf8')
      if (isRoot) assert.match(status, new RegExp(`^Uid:\\s${uid}\\s${uid}\\s${uid}\\s${uid}\\nGid:\\s${uid}\\s[^G]*Groups:\\s*$`, 'm'))
      await workThenEnd(hands, started.child)
      if (isRoot) assert.equal((await stat(join(root, 'shared/a'))).uid, uid)
      await hands.kill()
    } finally {
      bridge.kill('SIGKILL')
    }
  })

  it('that cannot start say why', async () => {
    const started = await startHands(['--device', 'no-such-port'])
    const socket = new Socket()
    const message = await refusedWith('sandbox_failed', attach(started, socket))
    assert.match(message, /ENOENT|no virtio-serial port/)
  })
})

function accepted(server: Server): Promise<Socket> {
  return new Promise((resolve) => server.once('connection', resolve))
}

/** Resolves when the process says so on standard error. */
function said(child: ChildProcess, wanted: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.once('close', () => reject(new Error(`it ended: ${text}`)))
    child.stderr!.on('data', (bytes: Buffer) => {
      text += bytes.toString()
      if (wanted.test(text)) resolve()
    })
  })
}

/** Tries until somebody listens there, or nobody ever will. */
async function connectWhenThere(path: string, child: ChildProcess): Promise<Socket> {
  for (;;) {
    assert.equal(child.exitCode, null)
    const socket = connect(path)
    const there = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    if (there) return socket
    await new Promise((resolve) => setImmediate(resolve))
  }
}
