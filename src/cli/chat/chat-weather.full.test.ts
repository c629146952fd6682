/** What a person sees when the model or the connection fails in the middle: the real program in a real pseudo-terminal. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, createServer as createProxy, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { openPty, withHome } from './pty-fixture.ts'
import { program } from '../../../test/support/built.ts'

interface BreakingService extends AsyncDisposable {
  readonly url: string
  /** Breaks off the answer that has begun, or the next one. */
  breakOff(): void
}

/** A model service whose first answer to each message breaks off, so that it begins again. */
async function startBreakingService(): Promise<BreakingService> {
  let asked = 0
  let broken = Promise.withResolvers<void>()
  const say = (response: ServerResponse, content: string | null): void => {
    const choice = { index: 0, delta: content === null ? {} : { content }, finish_reason: content === null ? 'stop' : null }
    const chunk = { id: 'x', object: 'chat.completion.chunk', created: 0, model: 'm', choices: [choice] }
    response.write(`data: ${JSON.stringify(chunk)}\n\n`)
  }
  const server = createServer((request, response) => {
    request.resume()
    request.once('end', () => {
      const breaks = asked++ % 2 === 0
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      say(response, breaks ? 'Line one.\nIt is Ro' : 'Line one.\nIt is Paris.')
      if (breaks) {
        void broken.promise.then(() => {
          broken = Promise.withResolvers()
          response.socket?.end()
        })
        return
      }
      say(response, null)
      response.end('data: [DONE]\n\n')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    breakOff: () => broken.resolve(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

void test('an answer that restarts is marked in the chat, with the line that differs', async () => {
  await using service = await startBreakingService()
  await withHome(async (home) => {
    const pty = openPty(home, ['chat'], { OPENAI_BASE_URL: service.url })
    await pty.see('model openai/gpt-5-mini')
    await pty.see('› ')
    pty.type('where\r')
    await pty.see('It is Ro')
    service.breakOff()
    await pty.see('— the answer begins again, by openai/gpt-5-mini: ')
    await pty.see('; its first line stays —')
    await pty.see('It is Paris.')
    await pty.see('› ')
    pty.type('/quit\r')
    assert.equal(await pty.exit, 0)
  })
})

void test('run shows the same in a terminal, only the final text in JSON and pipes, and the audit has both attempts', async () => {
  await using service = await startBreakingService()
  await withHome(async (home) => {
    const env = { OPENAI_BASE_URL: service.url }
    const pty = openPty(home, ['run', 'where'], env)
    await pty.see('It is Ro')
    service.breakOff()
    await pty.see('— the answer begins again, by openai/gpt-5-mini: ')
    await pty.see('It is Paris.')
    assert.equal(await pty.exit, 0)
    const oxbow = async (...args: readonly string[]): Promise<string> => {
      const all = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: join(home, 'oxbow'), ...env }
      const child = spawn(process.execPath, [program, ...args], { env: all, stdio: ['ignore', 'pipe', 'ignore'] })
      let out = ''
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
      await once(child, 'close')
      return out
    }
    service.breakOff()
    assert.equal(await oxbow('run', 'where'), 'Line one.\nIt is Paris.\n')
    service.breakOff()
    assert.equal((JSON.parse(await oxbow('run', 'where', '--json')) as { reply: string }).reply, 'Line one.\nIt is Paris.')
    const exchanges = (await oxbow('audit', 'show')).split('\n').filter((line) => / exchange +model\.generate /.test(line))
    assert.equal(exchanges.length, 6, 'each message took two')
    for (const line of exchanges) assert.match(line, /model\.generate +openai-chat gpt-5-mini, status 200, [\d.]+ kB out, \d+ bytes in$/)
  })
})

/** Stands between a terminal and the gateway, and can cut what passes. */
async function startProxy(to: number): Promise<{ readonly port: number; cut(): void } & AsyncDisposable> {
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    return socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  }
  const server = createProxy((near) => {
    const far = keep(connect(to, '127.0.0.1'))
    keep(near).pipe(far).pipe(near)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = (): void => sockets.forEach((socket) => socket.destroy())
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    async [Symbol.asyncDispose]() {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}

void test('a lost connection is reported in one line, and its return in another; the chat continues', async () => {
  await withHome(async (home) => {
    const guest = openPty(home, ['serve'])
    await guest.see('Ctrl+C stops it.')
    const path = join(home, 'oxbow', 'users', 'default', 'ipc', 'gateway.json')
    const gateway = JSON.parse(readFileSync(path, 'utf8')) as { url: string; pid: number }
    await using proxy = await startProxy(Number(new URL(gateway.url).port))
    writeFileSync(path, JSON.stringify({ ...gateway, url: gateway.url.replace(/:\d+\//, `:${proxy.port}/`) }))
    const pty = openPty(home)
    await pty.see('› ')
    proxy.cut()
    await pty.see('— connection to the guest lost; reconnecting —')
    await pty.see('— reconnected —')
    pty.type('help\r')
    await pty.see('You can say')
    await pty.see('› ')
    pty.type('/quit\r')
    assert.equal(await pty.exit, 0)
    guest.type('\u0003')
    assert.equal(await guest.exit, 0)
  })
})
