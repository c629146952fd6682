/** What a hostile program may look for on the host: laid out with the widest permissions, so that only the sandbox hides it. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Bait extends AsyncDisposable {
  /** Told to the program on standard input, a `key=value` a line. */
  readonly text: string
  /** True while nobody has ended the process with the marker. */
  processLives(): boolean
}

const secretName = 'OXBOW_BAIT_TOKEN'

/** @param uid of the process that is laid out: the one under which the program runs, so that no permission stands in its way */
export async function layBait(uid: number | null): Promise<Bait> {
  const name = `oxbow-bait-${process.pid}-${process.hrtime.bigint().toString(36)}`
  const secret = `hunter2-${name}`
  await using laid = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-bait-'))
  laid.defer(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o777)
  const file = join(folder, 'file')
  await writeFile(file, 'readable by anybody', { mode: 0o644 })
  const path = join(folder, 'socket')
  for (const where of [{ path }, { path: `\0${name}` }]) laid.use(await listen(where))
  await chmod(path, 0o777)
  const address = laid.use(await listen({ host: '127.0.0.1', port: 0 })).address()
  const port = typeof address === 'object' ? address?.port : 0
  const [segment = ''] = /\d+/.exec(execFileSync('ipcmk', ['-M', '4096', '-p', '0666'], { encoding: 'utf8' })) ?? []
  laid.defer(() => void execFileSync('ipcrm', ['-m', segment]))
  process.env[secretName] = secret
  laid.defer(() => void delete process.env[secretName])
  const child = spawn('/bin/sleep', ['3600'], {
    argv0: name,
    env: { [secretName]: secret },
    stdio: 'ignore',
    ...(uid !== null && { uid, gid: uid }),
  })
  laid.defer(async () => {
    if (child.kill('SIGKILL')) await once(child, 'exit')
  })
  await once(child, 'spawn')
  const keys = { marker: name, secret, socket: path, abstract: name, file, port, pid: child.pid }
  const kept = laid.move()
  return {
    text: Object.entries(keys)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
    processLives: () => child.exitCode === null && child.signalCode === null,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

async function listen(where: { path: string } | { host: string; port: number }): Promise<Server> {
  const server = createServer((socket) => socket.destroy())
  server.listen(where)
  await once(server, 'listening')
  return server
}
