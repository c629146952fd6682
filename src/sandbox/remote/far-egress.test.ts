/** Network of hands on another node: a real sandbox there, a real proxy here, and other ends that lie. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Duplex, duplexPair } from 'node:stream'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { carryStreams } from '../../base/index.ts'
import type { FarBranch, Sandbox, SandboxStatus } from '../../protocol/index.ts'
import { by, type ProxyUnderTest, rowsOf, through } from '../egress/proxy-fixture.ts'
import type { Site } from '../egress/web-fixture.ts'
import { maxFarStreams } from '../limits.ts'
import { testBrowser, testLimits } from '../sandbox-fixture.ts'
import { connectElsewhere } from './far-branch.ts'
import { openFarPlace } from './far-place.ts'
import { openFarPlaces } from './far-places.ts'
import { doneByte, farProtocol } from './far-protocol.ts'
import { listenAt, readLine } from './local-socket.ts'
import { relayHands } from './remote-hands.ts'

const signal = new AbortController().signal
const version = 'a'.repeat(40)
const home: SandboxStatus = {
  asked: 'process',
  tier: 'process',
  provider: 'bubblewrap',
  files: true,
  shell: true,
  profiles: ['work', 'online'],
  problem: null,
  limits: [],
  degraded: [],
}

interface Far extends AsyncDisposable {
  readonly branch: FarBranch
}

/** @param serve what the node does with a connection to a place of the branch */
async function openBranch({ proxy }: ProxyUnderTest, at: string, serve: (socket: Socket) => Promise<void> | void): Promise<Far> {
  await using made = new AsyncDisposableStack()
  const path = join(at, 'elsewhere.sock')
  const answer = async (socket: Socket): Promise<void> => {
    const line = JSON.parse(await readLine(socket, 10_000)) as object
    if (!('to' in line)) return void socket.end('want' in line ? '{"node":"far","epoch":1}\n' : '{"dropped":true}\n')
    const served = serve(socket)
    socket.resume()
    await served
  }
  const listening = await listenAt(path, 50, (socket) => void answer(socket).catch(() => socket.destroy()))
  made.defer(() => listening.close())
  const elsewhere = connectElsewhere({ path, status: () => home, proxy })
  made.defer(() => elsewhere.close())
  const branch = await elsewhere.open({ branch: 'b', labels: [], version, fill: async () => {}, signal })
  const rest = made.move()
  return { branch, [Symbol.asyncDispose]: () => rest.disposeAsync() }
}

function folder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'oxbow-far-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** A node as it should be. */
async function withFar(answer: RequestListener, run: (far: Far, proxy: ProxyUnderTest, site: Site) => Promise<void>): Promise<void> {
  await through(answer, async (proxy, site) => {
    using at = folder()
    const places = openFarPlaces({
      folder: join(at.path, 'hands'),
      config: { sandbox: testLimits, browser: testBrowser },
      imageFolder: at.path,
    })
    const place = openFarPlace({ places, user: 'ada', name: 'b', clock: { monotonicMs: () => 0 } })
    try {
      await using far = await openBranch(proxy, at.path, (socket) => place.serve(socket))
      await run(far, proxy, site)
    } finally {
      await place.end('closed')
      await places.close()
    }
  })
}

async function exec({ branch }: Far, command: string, pass: string): Promise<string> {
  const hands = await branch.sandbox.hands('online')
  const input = { command, cwd: '/shared', stdin: '', timeoutMs: 20_000, maxOutputBytes: 10_000, pass }
  return (await hands.ask('exec', input, { signal, timeoutMs: 30_000 })).stdout
}

test('a command there reaches a host by the pass of its call, in any number of connections at once', () =>
  withFar(
    (request, response) => response.end(`${request.url} `.repeat(20_000)),
    async (far, { proxy }, site) => {
      const pass = await proxy.issue('online', [])
      const all = Array.from({ length: 20 }, (_, i) => `curl -sS ${site.url}/${i} | wc -c &`)
      const out = await exec(far, `${all.join(' ')} wait`, pass.token)
      const bytes = Array.from({ length: 20 }, (_, i) => `/${i} `.length * 20_000)
      const number = (text: string): number => Number(text)
      assert.deepEqual(
        out
          .trim()
          .split('\n')
          .map(number)
          .toSorted((a, b) => a - b),
        bytes.toSorted((a, b) => a - b),
      )
      const { rows } = await pass.end()
      assert.deepEqual(rowsOf(rows), [`reached site.test:${site.port}`])
      assert.equal(rows[0]!.connections, 20)
      assert.match(await exec(far, `curl -sS ${site.url}/late`, pass.token), /the pass of a command that has ended/)
    },
  ))

test('a job there loses its connections when its pass ends', () =>
  withFar(
    (_request, response) => void response.write('a beginning'),
    async (far, { proxy }, site) => {
      const pass = await proxy.issue('online', [])
      const hands = await far.branch.sandbox.hands('online')
      const job = { kind: 'job' as const, command: `curl -sSN ${site.url}/`, cwd: '/shared', terminal: null, owner: '', pass: pass.token }
      await hands.ask('sessionOpen', job, { signal, timeoutMs: 10_000 })
      while (site.sockets.size === 0) await pause(10)
      await pass.end()
      await site.drained()
    },
  ))

test('connections to the network end with their node', () =>
  withFar(
    (_request, response) => void response.write('a beginning'),
    async (far, { proxy }, site) => {
      const pass = await proxy.issue('online', [])
      const running = exec(far, `curl -sSN ${site.url}/`, pass.token)
      running.catch(() => {})
      while (site.sockets.size === 0) await pause(10)
      await far.branch.close()
      await site.drained()
      await assert.rejects(running)
      await pass.end()
    },
  ))

/** A hostile node while a command with network is to run there. */
interface Liar {
  /** Sends this over a connection of its own to the network of the guest. @returns what came back until that was closed */
  say(text: string): Promise<string>
  /** Over a connection that stays. */
  open(text: string): Duplex
  /** Carries all of them. */
  readonly port: Socket
}

type During = (pass: string, attack: (liar: Liar) => Promise<void>) => Promise<void>

const ran = { exitCode: 0, signal: null, timedOut: false, stdout: '', stderr: '', stdoutBytes: 0, stderrBytes: 0, durationMs: 1 }

/** @param run is given what begins a call with a pass there, during which the node attacks instead of running anything */
async function withLiar(answer: RequestListener, run: (during: During, proxy: ProxyUnderTest, site: Site) => Promise<void>): Promise<void> {
  await through(answer, async (proxy, site) => {
    using at = folder()
    const ports: Socket[] = []
    const carriers = new Map<Socket, ReturnType<typeof carryStreams>>()
    let attack: (liar: Liar) => Promise<void> = async () => {}
    const open = (text: string): Duplex => {
      const [near, far] = duplexPair()
      near.on('error', () => {})
      carriers.get(ports.at(-1)!)!.open(far)
      near.write(text)
      return near
    }
    const say = async (text: string): Promise<string> => {
      const near = open(text)
      const got: Buffer[] = []
      near.on('data', (bytes: Buffer) => got.push(bytes))
      await new Promise<void>((resolve) => near.once('end', resolve).once('close', () => resolve()))
      return Buffer.concat(got).toString('latin1')
    }
    const lie = async (): Promise<typeof ran> => {
      await attack({ say, open, port: ports.at(-1)! })
      return ran
    }
    const sandbox = { hands: async () => ({ ask: lie }) } as unknown as Sandbox
    const serve = async (socket: Socket): Promise<void> => {
      const asked = JSON.parse(await readLine(socket, 10_000)) as object
      if ('hands' in asked) relayHands(socket, sandbox, 'online')
      else if ('egress' in asked) {
        socket.write('{"carries":"online"}\n')
        ports.push(socket)
        carriers.set(socket, carryStreams(socket, { maxStreams: 100_000, onBroken: () => socket.destroy() }))
      } else if ('hold' in asked)
        socket.on('data', (bytes) => (bytes.includes(doneByte) ? socket.destroy() : socket.write('.'))).write(`{"held":${farProtocol}}\n`)
      else if ('make' in asked) socket.write(`{"made":"${version}"}\n`)
      else socket.write(`${JSON.stringify({ version, ready: true, online: true, tier: 'process', provider: 'x' })}\n`)
      socket.resume()
    }
    await using far = await openBranch(proxy, at.path, serve)
    const during: During = async (pass, next) => {
      let failed: unknown = null
      attack = (liar) => next(liar).catch((error: unknown) => void (failed = error))
      await exec(far, 'true', pass)
      if (failed !== null) throw failed
    }
    await run(during, proxy, site)
  })
}

const get = (url: string): string => `GET ${url}/ HTTP/1.1\r\nhost: ${new URL(url).host}\r\n\r\n`

test('a hostile node reaches by the pass of the call what that may reach, and nothing by any other or after its end', () =>
  withLiar(
    (_request, response) => response.end('from the site'),
    async (during, { proxy }, site) => {
      // Of another call of the same person, whose pass the node has somehow learned.
      const others = await proxy.issue('online', [])
      const narrow = await proxy.issue('online', ['elsewhere.test'])
      const pass = await proxy.issue('online', [])
      await during(pass.token, async ({ say }) => {
        assert.match(await say(by(pass, get(site.url))), /^HTTP\/1.1 200[^]*from the site$/)
        assert.match(await say(by(pass, get('http://site.test:1'))), /^HTTP\/1.1 403[^]*may not be reached/)
        assert.match(await say(by(pass, get('http://127.0.0.1:1'))), /^HTTP\/1.1 403/)
        for (const text of [by(others, get(site.url)), by({ ...pass, token: 'a'.repeat(32) }, get(site.url)), get(site.url)])
          assert.match(await say(text), /^HTTP\/1.1 407/)
      })
      await during(narrow.token, async ({ say }) =>
        assert.match(await say(by(narrow, get(site.url))), /^HTTP\/1.1 403[^]*not among the hosts/),
      )
      assert.deepEqual(rowsOf((await others.end()).rows), [])
      await pass.end()
      const next = await proxy.issue('online', [])
      await during(next.token, async ({ say }) => assert.match(await say(by(pass, get(site.url))), /^HTTP\/1.1 407/))
    },
  ))

test('before any call with network had a pass, a hostile node reaches nothing', () =>
  withLiar(
    (_request, response) => response.end('from the site'),
    (during, _proxy, site) => during('', async ({ say }) => assert.match(await say(get(site.url)), /^HTTP\/1.1 407/)),
  ))

test('a tunnel that a hostile node keeps ends with the call', () =>
  withLiar(
    () => assert.fail('it is only connected to'),
    async (during, { proxy }, site) => {
      const pass = await proxy.issue('online', [])
      const target = new URL(site.url).host
      await during(pass.token, async ({ open }) => {
        const tunnel = open(by(pass, `CONNECT ${target} HTTP/1.1\r\nhost: ${target}\r\n\r\n`))
        assert.match(String(((await once(tunnel, 'data')) as [Buffer])[0]), /^HTTP\/1.1 200/)
        assert.equal(site.sockets.size, 1)
        tunnel.resume()
        const ended = once(tunnel, 'end')
        await pass.end()
        await ended
        await site.drained()
      })
    },
  ))

test('of a flood of connections no more than the limit are there, and commands at home have theirs', () =>
  withLiar(
    (request, response) => void (request.url === '/' ? response.write('a beginning') : response.end('for home')),
    async (during, { proxy, say }, site) => {
      const pass = await proxy.issue('online', [])
      const atHome = await proxy.issue('online', [])
      await during(pass.token, async ({ open }) => {
        const flood = Array.from({ length: 2_000 }, () => open(by(pass, get(site.url))))
        for (const one of flood) one.resume()
        while (site.sockets.size < maxFarStreams) await pause(10)
        assert.match(await say(by(atHome, get(`${site.url}/home`))), /for home$/)
        assert.equal(site.sockets.size, maxFarStreams)
        await pass.end()
        await site.drained()
      })
    },
  ))

test('a site that sends without end is held up while a hostile node does not read', () =>
  withLiar(
    (_request, response) => {
      const piece = Buffer.alloc(64 * 1024)
      const send = (): void => {
        while (response.write(piece));
        response.once('drain', send)
      }
      send()
    },
    async (during, { proxy }, site) => {
      const pass = await proxy.issue('online', [])
      const bytes = async (): Promise<number> => (await pass.soFar()).rows[0]?.bytesIn ?? 0
      await during(pass.token, async ({ open, port }) => {
        open(by(pass, get(site.url))).pause()
        port.pause()
        let before = -1
        for (let now = 0; now !== before || now === 0; now = await bytes()) {
          before = now
          await pause(300)
        }
        assert.ok(before < 8 * 1024 * 1024, String(before))
      })
      await pass.end()
    },
  ))

test('a node that sends what no connection sends loses the network of its branch, and the next command has it again', () =>
  withLiar(
    (_request, response) => response.end('from the site'),
    async (during, { proxy }, site) => {
      const pass = await proxy.issue('online', [])
      for (const bytes of [Buffer.alloc(64, 0xff), Buffer.from('GET / HTTP/1.1\r\n\r\n')])
        await during(pass.token, async ({ port }) => {
          port.write(bytes)
          await once(port, 'close')
        })
      await during(pass.token, async ({ say }) => assert.match(await say(by(pass, get(site.url))), /from the site$/))
    },
  ))
