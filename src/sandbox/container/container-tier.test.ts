/** The container tier does what every sandbox must do, and what only containers have to. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Config, Profile } from '../../types/index.ts'
import { createSandbox } from '../create-sandbox.ts'
import { asker, describeSandboxContract, refusedWith } from '../sandbox-contract.ts'
import { makeWorkbench, testBrowser, testLimits } from '../sandbox-workbench.ts'
import type { Workbench, WorkbenchOptions } from '../sandbox-workbench.ts'
import { testImage, withoutContainers } from './container-workbench.ts'

const without = withoutContainers()
const image = without === false ? (await testImage()).image : ''
const limits = { tier: 'container', container: { engine: 'podman', kernel: 'runc', image } } as const satisfies Partial<Config['sandbox']>
const make = (more: WorkbenchOptions = {}): Promise<Workbench> => makeWorkbench({ ...more, limits: { ...limits, ...more.limits } })

if (without === false) {
  describeSandboxContract('container', () => make())
  if (withoutContainers('gvisor') === false) {
    describeSandboxContract('container with gVisor', () => make({ limits: { container: { ...limits.container, kernel: 'gvisor' } } }))
  }
}

const byText = (one: unknown, two: unknown): number => String(one).localeCompare(String(two))
const whole = { fromLine: 1, maxLines: 100, maxBytes: 10_000 }

describe('a container', { skip: without }, () => {
  let bench: Workbench
  let outside: string
  before(async () => {
    outside = await mkdtemp(join(tmpdir(), 'oxbow-outside-'))
    await writeFile(join(outside, 'secret'), 'of the host')
    bench = await make({ before: prepare, egressSocket: (profile) => Promise.resolve(join(outside, `${profile}.sock`)) })
  })
  after(async () => {
    await bench.sandbox.close()
    await bench.remove()
    await rm(outside, { recursive: true })
  })
  const prepare = async (root: string): Promise<void> => {
    const git = join(root, 'shared/.git')
    await mkdir(git, { recursive: true })
    await writeFile(join(git, 'HEAD'), 'ref: refs/heads/main\n')
    await writeFile(join(git, 'config'), '[core]\n')
    await symlink(outside, join(git, 'hooks'))
    await mkdir(join(root, 'vault'))
    await writeFile(join(root, 'vault/key'), 'of the vault')
  }
  const exec = async (command: string, profile: Profile = 'work') => {
    const input = { command, cwd: '/tmp', stdin: '', timeoutMs: 20_000, maxOutputBytes: 100_000 }
    return (await bench.sandbox.hands(profile)).ask('exec', input, { signal: new AbortController().signal, timeoutMs: 30_000 })
  }
  const outputOf = async (command: string, profile?: Profile) => (await exec(command, profile)).stdout.trim()

  it('says what holds it, and what is in force', () => {
    const { tier, provider, profiles, degraded } = bench.sandbox.status
    assert.deepEqual([tier, provider, profiles], ['container', 'podman with runc', ['work', 'online', 'vault-read']])
    assert.deepEqual(degraded, [])
    assert.deepEqual(bench.sandbox.status.limits.slice(1, 4), ['largest file: 16 MB', 'memory: 384 MB for each container', 'processes: 96'])
  })

  it('shows nothing of the host in its processes, its environment or its folders', async () => {
    const seen = await outputOf('for p in /proc/[0-9]*; do tr "\\0" "\\n" < $p/environ; tr "\\0" "\\n" < $p/cmdline; done')
    assert.doesNotMatch(seen, new RegExp(`${bench.root}|podman run|${outside}`))
    assert.equal(await outputOf('ls -A /vault /sys /run | grep -vE "podman-init|^\\.containerenv" | tr -d "\\n"'), '/run:/sys:/vault:')
    assert.equal(
      await outputOf('grep -E "Cap(Eff|Bnd)|NoNewPrivs|Seccomp:" /proc/self/status | tr -d "[:space:]"'),
      'CapEff:0000000000000000CapBnd:0000000000000000NoNewPrivs:1Seccomp:2',
    )
  })

  it('follows no link of a repository on the host, and keeps its configuration', async () => {
    assert.notEqual((await exec('cat /shared/.git/hooks/secret')).exitCode, 0)
    for (const attempt of ['echo x > /shared/.git/config', 'mv /shared/.git /shared/old', 'rm /shared/.git/config']) {
      assert.notEqual((await exec(attempt)).exitCode, 0, attempt)
    }
    assert.equal(await readFile(join(bench.root, 'shared/.git/config'), 'utf8'), '[core]\n')
    assert.equal((await exec('echo x > /shared/.git/index')).exitCode, 0)
  })

  it('keeps what commands leave behind from filling its process table', async () => {
    await outputOf('for i in $(seq 120); do (setsid true &) ; done; true')
    assert.doesNotMatch(await outputOf('cat /proc/[0-9]*/stat'), /\) Z /)
  })

  it('has a terminal for shells', async () => {
    const open = { owner: '', kind: 'shell', command: '', cwd: '/tmp', terminal: { columns: 80, rows: 24 } } as const
    const { id, terminal } = await asker(bench.sandbox)('sessionOpen', open)
    assert.equal(terminal, true)
    await asker(bench.sandbox)('sessionClose', { owner: '', id })
  })

  it('reads the vault in a container that has nothing else', async () => {
    const hands = await bench.sandbox.hands('vault-read')
    const options = { signal: new AbortController().signal, timeoutMs: 30_000 }
    assert.equal((await hands.ask('read', { path: '/vault/key', ...whole }, options)).text, 'of the vault')
    await refusedWith('path_refused', hands.ask('read', { path: '/shared/.git/HEAD', ...whole }, options))
    const command = { command: 'true', cwd: '/vault', stdin: '', timeoutMs: 1_000, maxOutputBytes: 1_000 }
    await refusedWith('sandbox_missing', hands.ask('exec', command, options))
    const binds = JSON.parse(
      execFileSync('podman', ['inspect', '--format', '{{json .Mounts}}', containerOf('vault-read')], { encoding: 'utf8' }),
    ) as object[]
    assert.deepEqual(binds.map((bind) => ('Destination' in bind && 'RW' in bind ? [bind.Destination, bind.RW] : bind)).toSorted(byText), [
      ['/opt/oxbow/hands.cjs', false],
      ['/vault', false],
    ])
  })

  it('has a way out only in the profile that may use it', async () => {
    const seen: string[] = []
    const proxy = createServer((socket) => {
      socket.once('data', (bytes: Buffer) => {
        seen.push(bytes.toString().split('\r\n')[0]!)
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello')
      })
      socket.on('error', () => undefined)
    }).listen(join(outside, 'online.sock'))
    await once(proxy, 'listening')
    const { chmodSync } = process.getBuiltinModule('node:fs')
    // As the real proxy's: its socket is open to the sandbox's uid, wherever it stands.
    chmodSync(join(outside, 'online.sock'), 0o666)
    const fetch = 'http_proxy=http://127.0.0.1:8118 wget -q -O - http://example.test/'
    assert.equal(await outputOf(fetch, 'online'), 'hello')
    assert.match(seen[0]!, /^GET http:\/\/example\.test\/? HTTP/)
    assert.notEqual((await exec(fetch)).exitCode, 0)
    assert.equal(await outputOf('tail -n +3 /proc/net/dev | grep -vc lo:', 'online'), '0')
    await new Promise((resolve) => proxy.close(resolve))
  })

  const containerOf = (profile: string): string =>
    execFileSync(
      'podman',
      ['ps', '--filter', `label=oxbow.guest=${process.pid}`, '--filter', `label=oxbow.profile=${profile}`, '--format', '{{.ID}}'],
      { encoding: 'utf8' },
    ).trim()
})

describe('what killed kernels have left', { skip: without }, () => {
  it('is removed at the next start, and what lives is not', async () => {
    const names = [`oxbow-${process.pid}-1-dead`, `oxbow-${process.pid}-1-notOurs`]
    for (const [name, app] of [
      [names[0]!, 'oxbow'],
      [names[1]!, 'other'],
    ] as const) {
      const args = ['--runtime=runc', 'run', '--detach', '--rm', '--init', `--name=${name}`, `--label=app=${app}`, '--network=none']
      execFileSync('podman', [...args, '--ulimit=nofile=64:64', '--ulimit=nproc=64:64', '--log-driver=none', image, '/bin/sleep', '600'], {
        stdio: 'ignore',
      })
    }
    const bench = await make()
    const live = await make()
    await live.sandbox.hands('work')
    await bench.sandbox.hands('work')
    await bench.sandbox.close()
    const left = execFileSync('podman', ['ps', '--all', '--format', '{{.Names}}'], { encoding: 'utf8' }).split('\n')
    execFileSync('podman', ['rm', '--force', '--time=0', '--ignore', names[1]!], { stdio: 'ignore' })
    assert.deepEqual(
      names.map((name) => left.includes(name)),
      [false, true],
    )
    assert.equal((await asker(live.sandbox)('stat', { path: '/tmp/none' })).kind, 'missing')
    await live.sandbox.close()
    await bench.remove()
    await live.remove()
  })
})

describe('a machine without', { skip: without }, () => {
  const statusWith = async (sandbox: Partial<Config['sandbox']>, searchPath?: string) => {
    const root = await mkdtemp(join(tmpdir(), 'oxbow-none-'))
    const options = { workspaceRoot: root, limits: { ...testLimits, ...limits, ...sandbox }, browser: testBrowser, insecure: false }
    const made = await createSandbox({ ...options, ...(searchPath !== undefined && { searchPath }) })
    await made.close()
    await rm(root, { recursive: true })
    return made.status
  }

  it('an engine says which packages bring one', async () => {
    const { tier, problem } = await statusWith({}, '/nowhere')
    assert.equal(tier, 'none')
    assert.match(problem!.hint, /apt-get install podman runc catatonit/)
    const docker = await statusWith({ container: { ...limits.container, engine: 'docker' } }, '/nowhere')
    assert.match(`${docker.problem!.message} ${docker.problem!.hint}`, /docker is not installed.*apt-get install docker\.io/)
  })

  it('an image says how to make it, and goes on with a weaker tier only where that is allowed', async () => {
    const container = { ...limits.container, image: 'localhost/oxbow/nothing' }
    const { tier, problem } = await statusWith({ container })
    assert.equal(tier, 'none')
    assert.match(problem!.hint, /sandbox\.container\.image.*oxbow image build/)
    const weaker = await statusWith({ container, allow_lower: 'process' })
    assert.equal(weaker.tier, 'process')
    assert.match(weaker.problem!.message, /^Weaker than asked for \(container\)/)
  })
})
