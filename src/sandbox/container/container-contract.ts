/** What only containers have to do, with every engine: tests of a container as a guest uses it, and of what dead guests have left. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { DoctorCheck, Profile } from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'
import { findProgram, ownSearchPath } from '../host-programs.ts'
import { asker, refusedWith } from '../sandbox-contract.ts'
import { attempt, tierAttempts } from '../doctor/tier-attempts.ts'
import { makeWorkbench, testBrowser, testLimits, type Workbench, type WorkbenchOptions } from '../sandbox-fixture.ts'
import { removeArguments } from './container-command.ts'
import { containerName } from './container-process.ts'

export interface ContainerSubject {
  readonly engine: 'podman' | 'docker'
  /** Any image with a shell; '' for the newest. */
  readonly image: string
  /** Where the engine is, when not where this process has it. */
  readonly searchPath?: string
  /** What the status has to say is in force, and what is not. */
  readonly limits: readonly string[]
  readonly degraded: readonly string[]
  /** What doctor has to find. */
  readonly finding: Pick<DoctorCheck, 'state' | 'says' | 'fix'>
}

const byText = (one: unknown, two: unknown): number => String(one).localeCompare(String(two))
const whole = { fromLine: 1, maxLines: 100, maxBytes: 10_000 }

export function describeContainerContract(name: string, subject: ContainerSubject): void {
  const { engine, searchPath = ownSearchPath() } = subject
  const tell = (...args: readonly string[]): string =>
    execFileSync(findProgram(engine, searchPath)!, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const runtime = engine === 'podman' ? ['--runtime=runc'] : []
  const image = (): string =>
    subject.image === '' ? tell('images', '--quiet', '--filter', 'label=app=oxbow').split('\n')[0]! : subject.image
  const limits: Partial<Config['sandbox']> = { tier: 'container', container: { engine, kernel: 'runc', image: subject.image } }
  const make = (more: WorkbenchOptions = {}): Promise<Workbench> => makeWorkbench({ ...more, searchPath, limits })

  describe(`a container: ${name}`, () => {
    let bench: Workbench
    let outside: string
    before(async () => {
      outside = await mkdtemp(join(tmpdir(), 'oxbow-outside-'))
      await writeFile(join(outside, 'secret'), 'of the host')
      bench = await make({ before: prepare, egressSocket: (profile) => Promise.resolve(join(outside, `${profile}.sock`)) })
    })
    after(async () => {
      await bench?.[Symbol.asyncDispose]()
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

    it('reports its provider and the limits in force', () => {
      const { tier, provider, profiles, degraded } = bench.sandbox.status
      assert.deepEqual([tier, provider, profiles], ['container', `${engine} with runc`, ['work', 'online', 'vault-read']])
      assert.deepEqual(degraded, subject.degraded)
      assert.deepEqual(bench.sandbox.status.limits.slice(1, -2), ['largest file: 16 MB', ...subject.limits])
    })

    it('is tried by doctor, which asks the kernel of this machine what is in force', async () => {
      const machine = { workspaceRoot: await mkdtemp(join(tmpdir(), 'oxbow-doctor-')), limits: { ...testLimits, ...limits, cpus: 1.5 } }
      const tried = tierAttempts({ ...machine, browser: testBrowser, searchPath }).find(({ name: tier }) => tier === 'container tier')!
      const { state, says, fix } = await attempt(tried)
      await rm(machine.workspaceRoot, { recursive: true })
      assert.deepEqual({ state, says, fix }, subject.finding)
    })

    it('shows nothing of the host in its processes, its environment or its folders', async () => {
      const seen = await outputOf('for p in /proc/[0-9]*; do tr "\\0" "\\n" < $p/environ; tr "\\0" "\\n" < $p/cmdline; done')
      assert.doesNotMatch(seen, new RegExp(`${bench.root}|${engine} run|${outside}|hunter2`))
      assert.equal(await outputOf('ls -A /vault /sys /run | grep -vE "podman-init|^\\.containerenv" | tr -d "\\n"'), '/run:/sys:/vault:')
      assert.equal(
        await outputOf('grep -E "Cap(Eff|Bnd)|NoNewPrivs|Seccomp:" /proc/self/status | tr -d "[:space:]"'),
        'CapEff:0000000000000000CapBnd:0000000000000000NoNewPrivs:1Seccomp:2',
      )
    })

    it('follows no link of a repository on the host, and keeps its configuration', async () => {
      assert.notEqual((await exec('cat /shared/.git/hooks/secret')).exitCode, 0)
      for (const change of ['echo x > /shared/.git/config', 'mv /shared/.git /shared/old', 'rm /shared/.git/config']) {
        assert.notEqual((await exec(change)).exitCode, 0, change)
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
      const binds = JSON.parse(tell('inspect', '--format', '{{json .Mounts}}', containerOf('vault-read'))) as object[]
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
      tell('ps', '--filter', `label=oxbow.guest=${process.pid}`, '--filter', `label=oxbow.profile=${profile}`, '--format', '{{.ID}}').trim()
  })

  describe(`what killed kernels have left: ${name}`, () => {
    it('is removed at the next start, and what lives is not', async () => {
      // Another start of this process than the true one.
      const names = ['dead', 'other'].map((suffix) => containerName(suffix).replace(/^(oxbow-\d+)-\d+/, '$1-1'))
      for (const [dead, app] of [
        [names[0]!, 'oxbow'],
        [names[1]!, 'other'],
      ] as const) {
        const args = ['run', '--detach', '--rm', '--init', `--name=${dead}`, `--label=app=${app}`, '--network=none', '--log-driver=none']
        tell(...runtime, ...args, '--ulimit=nofile=64:64', '--ulimit=nproc=64:64', image(), '/bin/sleep', '600')
      }
      const bench = await make()
      const kept = join(bench.root, 'internal/container')
      await mkdir(kept, { recursive: true })
      await writeFile(join(kept, `${names[0]!}.id`), 'x')
      const live = await make()
      await live.sandbox.hands('work')
      await bench.sandbox.hands('work')
      await bench.sandbox.close()
      assert.deepEqual(
        (await readdir(kept)).filter((file) => file.endsWith('.id')),
        [],
      )
      const left = tell('ps', '--all', '--format', '{{.Names}}').split('\n')
      tell(...removeArguments(engine, names[1]!))
      assert.deepEqual(
        names.map((dead) => left.includes(dead)),
        [false, true],
      )
      assert.equal((await asker(live.sandbox)('stat', { path: '/tmp/none' })).kind, 'missing')
      await live.sandbox.close()
      await bench.remove()
      await live.remove()
    })
  })
}
