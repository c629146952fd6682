/** A real HTTP service that is deployed from tags of a real repository, and what runs it: outside of the guest, as servers are. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { git } from './git.ts'

const environments = ['staging', 'production'] as const
type Environment = (typeof environments)[number]

/** What a tag has. `health`: the status with which it answers after this many good answers. */
export interface Release {
  readonly tag: string
  readonly badAfter?: number
}

export interface Deployed extends AsyncDisposable {
  readonly ports: Readonly<Record<Environment, number>>
  /** Makes a commit with the service, and tags it. */
  tag(release: Release): void
  /** What its release script has done, as `ENVIRONMENT VERSION`, oldest first. */
  releases(): readonly string[]
  rollbacks(): readonly string[]
  live(environment: Environment): string
}

const serviceOf = ({ tag, badAfter }: Release): string => `import { createServer } from 'node:http'
let good = ${badAfter ?? -1}
createServer((_, reply) => {
  reply.statusCode = good === 0 ? 500 : 200
  if (good > 0) good -= 1
  reply.end('${tag}')
}).listen(Number(process.argv[2]), '127.0.0.1')
`

// A release takes a moment, so that a kill meets it.
const scripts = {
  preflight: 'test -f service.mjs\n',
  current: 'cat "/shared/live/$1/version" 2>/dev/null || true\n',
  release: `set -e
version=$(cat)
echo "$1 $version" >> /shared/live/releases.log
mkdir -p "/shared/live/$1/$version"
cp service.mjs "/shared/live/$1/$version/"
sleep 0.3
printf %s "$version" > "/shared/live/$1/next"
mv "/shared/live/$1/next" "/shared/live/$1/version"
`,
  rollback: `set -e
version=$(cat)
echo "$1 $version" >> /shared/live/rollbacks.log
printf %s "$version" > "/shared/live/$1/next"
mv "/shared/live/$1/next" "/shared/live/$1/version"
`,
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

export async function freePorts(): Promise<Deployed['ports']> {
  return { staging: await freePort(), production: await freePort() }
}

/** @param shared where the repository `app` is made @param ports where the service listens */
export function deployedService(shared: string, ports: Deployed['ports']): Deployed {
  const app = join(shared, 'app')
  const live = join(shared, 'live')
  mkdirSync(join(app, 'deploy'), { recursive: true })
  mkdirSync(live)
  for (const [name, text] of Object.entries(scripts)) writeFileSync(join(app, 'deploy', name), text)
  const addresses = Object.fromEntries(environments.map((each) => [each, `http://127.0.0.1:${ports[each]}/health`]))
  writeFileSync(join(app, 'deploy', 'health.json'), JSON.stringify(addresses))
  git(shared, 'init', '--quiet', '-b', 'main', app)
  const read = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '')
  const lines = (name: string): readonly string[] => read(join(live, name)).split('\n').filter(Boolean)
  const versionOf = (each: Environment): string => read(join(live, each, 'version'))
  const running = new Map<Environment, { readonly version: string; readonly child: ChildProcess }>()
  const supervise = (): void => {
    for (const each of environments) {
      const version = versionOf(each)
      const now = running.get(each)
      if (version === '' || now?.version === version) continue
      now?.child.kill('SIGKILL')
      const start = (): void => {
        const child = spawn(process.execPath, [join(live, each, version, 'service.mjs'), String(ports[each])], { stdio: 'ignore' })
        running.set(each, { version, child })
      }
      if (now === undefined || now.child.exitCode !== null) start()
      else now.child.once('exit', start)
      if (now !== undefined) running.set(each, { version, child: now.child })
    }
  }
  const timer = setInterval(supervise, 50)
  return {
    ports,
    tag(release) {
      writeFileSync(join(app, 'service.mjs'), serviceOf(release))
      git(app, 'add', '--all')
      git(app, 'commit', '--quiet', '-m', release.tag)
      git(app, 'tag', release.tag)
    },
    releases: () => lines('releases.log'),
    rollbacks: () => lines('rollbacks.log'),
    live: versionOf,
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      for (const { child } of running.values()) child.kill('SIGKILL')
    },
  }
}
