/**
 * Both guests: the kernel in a container without network, hands in a sandbox of their own. A real runner, a real container, a
 * model over HTTP that only the runner can reach.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { testImage, withoutContainers } from '../../src/sandbox/container/container-workbench.ts'
import { vmFixture } from '../../src/sandbox/micro-vm/vm-fixture.ts'
import type { Config } from '../../src/types/index.ts'
import { testLimits } from '../../src/sandbox/sandbox-workbench.ts'
import { openOnlineBench } from '../egress/online-fixture.ts'
import { noBrowser } from '../browser/browser-bench.ts'
import { openConversation } from '../support/conversation.ts'
import { startModel } from '../support/model.ts'
import { inTime } from '../support/patience.ts'
import { openTerminal } from '../support/terminal.ts'
import { emptied, makeWorkspace, processesInside } from '../support/workspace.ts'
import type { TestWorkspace } from '../support/workspace.ts'

const machine = await vmFixture()
const script = fileURLToPath(new URL('./isolated-runner.ts', import.meta.url))

interface Runner extends AsyncDisposable {
  readonly url: string
  readonly pid: number
  /** Of the guest's first process, as this host numbers it. */
  guestPid(): number
  containers(): readonly string[]
  kill(): void
  readonly gone: Promise<void>
}

async function startRunner(workspace: TestWorkspace, config: object): Promise<Runner> {
  const child = spawn(process.execPath, [script, workspace.home, JSON.stringify(config)], { stdio: ['pipe', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (bytes: Buffer) => (errors += String(bytes)))
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const first = Promise.race([
    new Promise<string>((resolve) => createInterface({ input: child.stdout }).once('line', resolve)),
    gone.then(() => assert.fail(`the runner ended: ${errors}`)),
  ])
  const { url } = JSON.parse(await inTime(first, () => `the runner: ${errors}`)) as { url: string }
  const pid = child.pid!
  const containers = (): readonly string[] => podman('ps', '--all', '--quiet', '--filter', `label=oxbow.guest=${pid}`)
  return {
    url,
    pid,
    containers,
    guestPid() {
      const [guest = ''] = podman('ps', '--quiet', '--filter', `label=oxbow.guest=${pid}`, '--filter', 'label=oxbow.profile=guest')
      return Number(podman('inspect', '--format', '{{.State.Pid}}', guest)[0])
    },
    kill: () => void child.kill('SIGKILL'),
    gone,
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await inTime(gone, () => `the end of the runner: ${errors}`)
    },
  }
}

function podman(...args: readonly string[]): readonly string[] {
  return execFileSync('podman', args, { encoding: 'utf8' }).split('\n').filter(Boolean)
}

const tool = (name: string, input: object) => ({ events: [{ tool_call: { name, arguments: input } }] })

describe('a guest in a container of its own', { skip: withoutContainers() }, () => {
  before(() => testImage(), { timeout: 120_000 })

  const works = (sandbox: Partial<Config['sandbox']>, browsing: boolean) => async (): Promise<void> => {
    const site = createServer((_, response) => response.end('a page of the web'))
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
    site.unref()
    const port = (site.address() as AddressInfo).port
    using workspace = makeWorkspace()
    await using model = await startModel([
      tool('file_write', { path: 'made.txt', text: 'by hands' }),
      tool('shell_exec', { command: 'cat made.txt; ls /' }),
      tool('web_fetch', { url: `http://127.0.0.1:${port}/` }),
      tool('web_fetch', { url: 'http://127.0.0.1:11434/' }),
      tool('shell_online', {
        command: `if command -v curl >/dev/null; then curl -sS $URL; else wget -qO- $URL; fi`.replaceAll(
          '$URL',
          `http://127.0.0.1:${port}/`,
        ),
        hosts: [`127.0.0.1:${port}`],
      }),
      tool('shell_online', {
        command: `if command -v curl >/dev/null; then curl -sS $URL; else wget -qO- $URL; fi`.replaceAll(
          '$URL',
          `http://127.0.0.1:${port}/`,
        ),
        hosts: ['nowhere.test'],
      }),
      ...(browsing ? [tool('browser_open', { url: `http://127.0.0.1:${port}/` })] : []),
      { events: [{ text: 'Done.' }] },
    ])
    await using runner = await startRunner(workspace, {
      model: model.config,
      approval: { privileged: 'allow' },
      agent: { rights: ['file.read', 'file.write', 'shell.run', 'shell.network', 'web.read', 'browser.use'] },
      sandbox: { ...sandbox, isolate_guest: true },
      egress: { allow: [`127.0.0.1:${port}`] },
    })
    {
      using terminal = await openTerminal(runner.url, workspace)
      const end = await (await openConversation(terminal)).say('Work.')
      assert.deepEqual([end.status, end.reply], ['ok', 'Done.'], JSON.stringify(end))
      const [, command, page, models, online, narrow, seen] = model.results()
      assert.match(command!, /exit code 0\n[^]*by hands/)
      assert.match(page!, /a page of the web/)
      // The way to models is for models alone.
      assert.match(models!, /may not be reached/)
      assert.match(online!, /exit code 0\nnetwork:\n {2}reached 127\.0\.0\.1:\d+: [^]*a page of the web/)
      assert.match(narrow!, /refused 127\.0\.0\.1:\d+: it is not among the hosts that this command was called with/)
      if (browsing) assert.match(seen!, /tab t1: http:\/\/127[^]*a page of the web/)
      // A machine has a disk of its own: what was changed there comes to the host when nothing is under way.
      await workspace.appears('made.txt')
      assert.equal(readFileSync(`${workspace.shared}/made.txt`, 'utf8'), 'by hands')
      assert.equal(runner.containers().length, sandbox.tier === 'container' ? 3 : 1)
    }
    const guest = runner.guestPid()
    const interfaces = readFileSync(`/proc/${guest}/net/dev`, 'utf8').match(/^\s*\w+:/gm)
    assert.deepEqual(
      interfaces?.map((name) => name.trim()),
      ['lo:'],
    )
    const mounts = readFileSync(`/proc/${guest}/mountinfo`, 'utf8')
    assert.match(mounts, /\/internal /)
    for (const closed of ['shared', 'vault', 'tmp']) assert.ok(!mounts.includes(`${workspace.root}/${closed} `), closed)
    assert.match(readFileSync(`/proc/${guest}/status`, 'utf8'), /^CapEff:\t0+$/m)
    site.close()
  }
  it(
    'works with files, commands, models and the web, and has neither network nor workspace itself',
    works({ tier: 'process' }, noBrowser === false),
  )
  it('has its hands in a container beside it, where that is their tier', works({ tier: 'container' }, false))
  it('has its hands in a micro VM beside it, where that is their tier', { skip: machine.skip }, async () => {
    // Frozen before: what boots a machine the first time takes longer than a conversation is waited for.
    const size = { memory_mb: testLimits.memory_mb, max_processes: testLimits.max_processes, max_file_mb: testLimits.max_file_mb }
    {
      await using once = await openOnlineBench(machine.limits)
      await once.run('true')
    }
    await works({ ...machine.limits, ...size }, false)()
  })

  it('goes with its runner, whether that stops or is killed, and leaves nothing', async () => {
    for (const end of ['stop', 'kill'] as const) {
      using workspace = makeWorkspace()
      await using model = await startModel([tool('shell_exec', { command: 'touch begun; sleep 1000' }), { events: [{ text: 'I see.' }] }])
      const runner = await startRunner(workspace, {
        model: model.config,
        approval: { privileged: 'allow' },
        sandbox: { isolate_guest: true },
      })
      using terminal = await openTerminal(runner.url, workspace)
      await (await openConversation(terminal)).send('Sleep.')
      await workspace.appears('begun')
      assert.ok(processesInside(workspace).length > 0)
      const guest = runner.guestPid()
      if (end === 'stop') await runner[Symbol.asyncDispose]()
      else runner.kill()
      await runner.gone
      await emptied(workspace)
      const until = performance.now() + patienceMs
      while (runner.containers().length > 0 || existsSync(`/proc/${guest}`)) {
        assert.ok(performance.now() < until, `${end}: ${runner.containers().join(' ')}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  })

  it('is refused with what to build when there is no image', async () => {
    using workspace = makeWorkspace()
    const sandbox = { isolate_guest: true, container: { image: 'localhost/oxbow/none:1' } }
    await assert.rejects(startRunner(workspace, { sandbox }), /no image for containers/)
  })
})

/** Long for a guest that closes all it has. */
const patienceMs = 60_000
