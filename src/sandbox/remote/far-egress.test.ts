/** Network of hands on another node: a real sandbox there, a real proxy here, and other ends that lie. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { FarBranch, SandboxStatus } from '../../protocol/index.ts'
import { type ProxyUnderTest, through } from '../egress/proxy-fixture.ts'
import type { Site } from '../egress/web-fixture.ts'
import { testBrowser, testLimits } from '../sandbox-fixture.ts'
import { connectElsewhere } from './far-branch.ts'
import { type FarPlace, openFarPlace } from './far-place.ts'
import { openFarPlaces } from './far-places.ts'
import { listenAt, readLine } from './local-socket.ts'

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
  readonly place: FarPlace
  readonly branch: FarBranch
}

async function openFar({ proxy }: ProxyUnderTest, name = 'b'): Promise<Far> {
  await using made = new AsyncDisposableStack()
  const at = mkdtempSync(join(tmpdir(), 'oxbow-far-'))
  made.defer(() => rmSync(at, { recursive: true, force: true }))
  const places = openFarPlaces({
    folder: join(at, 'hands'),
    config: { sandbox: testLimits, browser: testBrowser },
    imageFolder: at,
  })
  made.defer(() => places.close())
  const clock = { monotonicMs: () => 0 }
  const place = openFarPlace({ places, user: 'ada', name, clock })
  const serve = async (socket: Socket): Promise<void> => {
    const line = JSON.parse(await readLine(socket, 10_000)) as object
    if ('to' in line) {
      place.serve(socket)
      return void socket.resume()
    }
    socket.end('want' in line ? '{"node":"far","epoch":1}\n' : '{"dropped":true}\n')
  }
  const path = join(at, 'elsewhere.sock')
  const listening = await listenAt(path, 50, (socket) => void serve(socket).catch(() => socket.destroy()))
  made.defer(() => listening.close())
  const elsewhere = connectElsewhere({ path, status: () => home, proxy, clock })
  made.defer(() => elsewhere.close())
  const branch = await elsewhere.open({ branch: name, labels: [], version, fill: async () => {}, signal })
  const rest = made.move()
  return { place, branch, [Symbol.asyncDispose]: () => rest.disposeAsync() }
}

async function run({ branch }: Far, command: string, pass: string): Promise<{ stdout: string; stderr: string }> {
  const hands = await branch.sandbox.hands('online')
  const input = { command, cwd: '/shared', stdin: '', timeoutMs: 20_000, maxOutputBytes: 10_000, pass }
  return hands.ask('exec', input, { signal, timeoutMs: 30_000 })
}

const withFar = (answer: RequestListener, test: (far: Far, proxy: ProxyUnderTest, site: Site) => Promise<void>): Promise<void> =>
  through(answer, async (proxy, site) => {
    await using far = await openFar(proxy)
    await test(far, proxy, site)
  })

test('a command there reaches a host by the pass of its call', () =>
  withFar(
    (_request, response) => response.end('from the site'),
    async (far, { proxy }, site) => {
      const pass = await proxy.issue('online', [])
      const { stdout } = await run(far, `curl -sS ${site.url}/`, pass.token)
      assert.equal(stdout, 'from the site')
    },
  ))
