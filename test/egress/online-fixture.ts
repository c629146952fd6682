/** A sandbox with a way out through a real proxy, and sites on this machine that it may reach by a name no name server knows. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import type { RequestListener, Server, ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { siteCertificate, siteKey } from '../../src/sandbox/egress/certificate-fixture.ts'
import { createEgressProxy } from '../../src/sandbox/egress/egress-proxy.ts'
import type { EgressProxy } from '../../src/sandbox/egress/egress-proxy.ts'
import { makeWorkbench, type Workbench } from '../../src/sandbox/sandbox-fixture.ts'
import type { HandsOps, Profile } from '../../src/protocol/index.ts'
import type { Config } from '../../src/config/index.ts'
import { parseConfig } from '../../src/services/index.ts'

type Ended = HandsOps['exec']['output']

export interface OnlineBench extends AsyncDisposable {
  readonly bench: Workbench
  readonly proxy: EgressProxy
  /** Of the site on this machine, plain and with TLS. */
  readonly http: number
  readonly https: number
  /** What the site was asked for: `GET /path`. */
  readonly asked: readonly string[]
  /** How often `/flood`, which never ends, has lost its client. */
  gone(): number
  /** @param pass at the proxy that the command has */
  run(command: string, profile?: Profile, pass?: string): Promise<Ended>
}

const marker = 'the site on this machine'

/** Names as this test's name server has them. */
const names: Readonly<Record<string, readonly string[]>> = {
  'site.test': ['127.0.0.1'],
  localhost: ['127.0.0.1', '::1'],
  'closed.test': ['127.0.0.1'],
  'metadata.test': ['169.254.169.254'],
  'mixed.test': ['93.184.216.34', '127.0.0.1'],
}

/** Answers the first time with a public address, from then on with this machine's. */
function createLookup(): (host: string) => Promise<readonly string[]> {
  let asked = 0
  return (host) => {
    if (host !== 'rebound.test') return Promise.resolve(names[host] ?? [])
    asked += 1
    return Promise.resolve(asked === 1 ? ['93.184.216.34'] : ['127.0.0.1'])
  }
}

/** @param limits of another tier than the usual one */
export async function openOnlineBench(limits: Partial<Config['sandbox']> = {}): Promise<OnlineBench> {
  await using made = new AsyncDisposableStack()
  const files = makeSiteFiles()
  made.defer(() => rmSync(files, { recursive: true }))
  const asked: string[] = []
  let gone = 0
  const listener: RequestListener = (request, response) => {
    asked.push(`${request.method} ${request.url}`)
    const path = new URL(request.url ?? '/', 'http://site.test').pathname
    if (path === '/') response.end(marker)
    else if (path === '/metadata') response.writeHead(302, { location: 'http://169.254.169.254/latest/' }).end()
    else if (path === '/upload') request.pipe(response)
    else if (path === '/deaf') request.pause()
    else if (path === '/flood') flood(response).once('close', () => (gone += 1))
    else if (path === '/package') response.end(JSON.stringify(packageFacts(request.headers.host ?? '')))
    else if (existsSync(join(files, path))) response.end(readFileSync(join(files, path)))
    else response.writeHead(404).end()
  }
  const plain = createHttpServer(listener)
  const secure = createHttpsServer({ key: siteKey, cert: siteCertificate }, listener)
  const [http, https] = [await listen(plain, made), await listen(secure, made)]
  const { egress } = parseConfig({ egress: { allow: [`site.test:${http}`, `site.test:${https}`] } }, 'this test')
  const place = mkdtempSync(join(tmpdir(), 'oxbow-online-'))
  made.defer(() => rmSync(place, { recursive: true }))
  const proxy = createEgressProxy(egress, join(place, 'egress'), { lookup: createLookup(), ownAddresses: () => [] })
  made.defer(() => proxy.close())
  const bench = made.use(await makeWorkbench({ limits, egressSocket: proxy.socket }))
  const kept = made.move()
  return {
    bench,
    proxy,
    http,
    https,
    asked,
    gone: () => gone,
    async run(command, profile = 'online', pass) {
      const hands = await bench.sandbox.hands(profile)
      const input = { command, cwd: '/tmp', stdin: '', timeoutMs: 60_000, maxOutputBytes: 100_000, ...(pass !== undefined && { pass }) }
      return hands.ask('exec', input, { signal: new AbortController().signal, timeoutMs: 70_000 })
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

function flood(response: ServerResponse): ServerResponse {
  const piece = Buffer.alloc(64 * 1024, 'x')
  const pour = (): void => {
    while (!response.destroyed && response.write(piece));
  }
  response.on('drain', pour)
  pour()
  return response
}

export const siteText: string = marker

async function listen(server: Server, made: AsyncDisposableStack): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  made.defer(async () => {
    server.closeAllConnections()
    await once(server.close(), 'close')
  })
  return (server.address() as AddressInfo).port
}

/** A git repository as plain files, and a package of npm. */
function makeSiteFiles(): string {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-site-'))
  const work = join(folder, 'work')
  const git = (...args: readonly string[]): void => void execFileSync('git', args, { cwd: work, stdio: 'ignore', env: gitEnvironment })
  mkdirSync(work)
  git('init', '-q')
  writeFileSync(join(work, 'hello.txt'), 'from the repository\n')
  git('add', '.')
  git('commit', '-q', '-m', 'first')
  git('clone', '-q', '--bare', '.', '../repo.git')
  execFileSync('git', ['update-server-info'], { cwd: join(folder, 'repo.git'), env: gitEnvironment })
  mkdirSync(join(folder, 'package-files/package'), { recursive: true })
  writeFileSync(join(folder, 'package-files/package/package.json'), JSON.stringify({ name: 'package', version: '1.0.0' }))
  execFileSync('tar', ['czf', join(folder, 'package.tgz'), '-C', join(folder, 'package-files'), 'package'])
  return folder
}

const gitEnvironment = {
  PATH: process.env['PATH'] ?? '',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@site.test',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@site.test',
}

function packageFacts(host: string): object {
  const version = { name: 'package', version: '1.0.0', dist: { tarball: `http://${host}/package.tgz` } }
  return { name: 'package', 'dist-tags': { latest: '1.0.0' }, versions: { '1.0.0': version } }
}
