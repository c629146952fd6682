/**
 * Both guests: the kernel in a container without network, hands in a sandbox of their own. A real runner, a real container, a
 * model over HTTP that only the runner can reach.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ensureGuest, openHome, openWorkspace } from '../../src/runner/index.ts'
import { isolateGuest } from '../../src/runner/isolated-guest.ts'
import { testImage, withoutContainers } from '../../src/sandbox/container/container-fixture.ts'
import { vmFixture } from '../../src/sandbox/micro-vm/vm-fixture.ts'
import { connectSandbox } from '../../src/sandbox/remote/remote-sandbox.ts'
import { testLimits } from '../../src/sandbox/sandbox-fixture.ts'
import { noBrowser } from '../browser/browser-bench.ts'
import { openOnlineBench } from '../egress/online-fixture.ts'
import { startCollector } from '../../src/services/telemetry/otlp-fixture.ts'
import { until as waitUntil } from '../daemon/daemon-fixture.ts'
import { openConversation } from '../support/conversation.ts'
import { envelopeFor } from '../support/guest-process.ts'
import { startModel } from '../support/model.ts'
import { openTerminal } from '../support/terminal.ts'
import { emptied, makeWorkspace, processesInside, user } from '../support/workspace.ts'
import { guestWorks, startRunner, tool } from './isolated-bench.ts'

const machine = await vmFixture()

describe('a guest in a container of its own', { skip: withoutContainers() }, () => {
  before(() => testImage(), { timeout: 120_000 })

  it('works with files, commands, models and the web, and has neither network nor workspace itself', () =>
    guestWorks({ tier: 'process' }, noBrowser === false))
  it('has its hands in a second container, where that is their tier', () => guestWorks({ tier: 'container' }, false))
  it('is reached in gVisor too, where it must be let make its socket', { skip: withoutContainers('gvisor') }, async () => {
    using workspace = makeWorkspace()
    await using model = await startModel([tool('shell_exec', { command: 'touch begun' }), { events: [{ text: 'Done.' }] }])
    await using runner = await startRunner(workspace, {
      model: model.config,
      approval: { privileged: 'allow' },
      sandbox: { tier: 'container', container: { engine: 'podman', kernel: 'gvisor' }, isolate_guest: true },
    })
    using terminal = await openTerminal(runner.url, workspace)
    await (await openConversation(terminal)).send('Touch.')
    await workspace.appears('begun')
    assert.ok(runner.containers().length > 1)
  })
  it('has its hands in a micro VM, where that is their tier', { skip: machine.skip }, async () => {
    // Frozen before: what boots a machine the first time takes longer than a conversation is waited for.
    const size = { memory_mb: testLimits.memory_mb, max_processes: testLimits.max_processes, max_file_mb: testLimits.max_file_mb }
    {
      await using once = await openOnlineBench(machine.limits)
      await once.run('true')
    }
    await guestWorks({ ...machine.limits, ...size }, false)
  })

  it('sends spans and metrics to a collector that only its runner can reach', async () => {
    using workspace = makeWorkspace()
    await using model = await startModel([{ events: [{ text: 'Done.' }] }])
    await using collector = await startCollector()
    await using runner = await startRunner(workspace, {
      model: model.config,
      telemetry: { enabled: true, endpoint: collector.url, metrics_interval_s: 1 },
      sandbox: { isolate_guest: true },
    })
    {
      using terminal = await openTerminal(runner.url, workspace)
      assert.equal((await (await openConversation(terminal)).say('Hello.')).reply, 'Done.')
    }
    for (const path of ['/v1/traces', '/v1/metrics'])
      await waitUntil(
        () => collector.got.some((each) => each.path === path),
        () => `${path} of ${collector.got.length} requests`,
      )
    assert.ok(collector.spans().some(({ name }) => name.startsWith('chat ')))
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
      if (end === 'stop') assert.ok(!readdirSync(join(workspace.root, 'hands/container')).some((name) => name.endsWith('.id')))
      const until = performance.now() + patienceMs
      while (runner.containers().length > 0 || existsSync(`/proc/${guest}`)) {
        assert.ok(performance.now() < until, `${end}: ${runner.containers().join(' ')}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      // What was left over, such as its socket, does not keep the next one from starting.
      await using again = await startRunner(workspace, { model: model.config, sandbox: { isolate_guest: true } })
      using next = await openTerminal(again.url, workspace)
      await openConversation(next)
    }
  })

  it('cannot write where plugins keep their data, so that no link of its own leads its runner elsewhere', async () => {
    using workspace = makeWorkspace()
    await using model = await startModel([{ events: [{ text: 'Done.' }] }])
    await using runner = await startRunner(workspace, { model: model.config, sandbox: { isolate_guest: true } })
    // As the guest sees it, also for root.
    const seen = `/proc/${runner.guestPid()}/root${workspace.internal}`
    writeFileSync(join(seen, 'probe'), '')
    assert.throws(() => writeFileSync(join(seen, 'plugins/probe'), ''), { code: 'EROFS' })
    assert.throws(() => symlinkSync('/etc', join(seen, 'plugins/link')), { code: 'EROFS' })
    assert.ok(existsSync(join(workspace.internal, 'plugins')))
  })

  it('leads nothing that its runner writes anywhere else, by links where it may write', async () => {
    using workspace = makeWorkspace()
    const outside = mkdtempSync(join(tmpdir(), 'oxbow-outside-'))
    for (const name of ['browser', 'container', 'micro-vm']) symlinkSync(outside, join(workspace.internal, name))
    symlinkSync(outside, join(workspace.root, 'ipc/egress'))
    const home = openHome({ OXBOW_HOME: workspace.home })
    const isolated = await isolateGuest({
      home,
      workspace: openWorkspace(home, user),
      envelope: envelopeFor(workspace.root, { sandbox: { tier: 'container', isolate_guest: true } }),
      plugins: () => [],
      entry: fileURLToPath(import.meta.url),
      flags: [],
      variables: {},
    })
    try {
      const sandbox = connectSandbox(isolated.isolation.folder, isolated.isolation.sandbox)
      const limits = { signal: AbortSignal.timeout(patienceMs), timeoutMs: patienceMs }
      for (const profile of ['work', 'online', 'browser'] as const) {
        if (!sandbox.status.profiles.includes(profile)) continue
        await (await sandbox.hands(profile)).ask('stat', { path: '/tmp' }, limits)
      }
      await sandbox.close()
    } finally {
      await isolated.close()
    }
    assert.deepEqual([readdirSync(outside), statSync(outside).uid], [[], process.getuid?.()])
    rmSync(outside, { recursive: true })
  })

  it('leaves nothing open when it cannot be started', async () => {
    using workspace = makeWorkspace()
    mkdirSync(join(workspace.root, 'logs/guest.stderr.log'))
    const env = { OXBOW_HOME: workspace.home }
    const home = openHome(env)
    const { config } = envelopeFor(workspace.root, { sandbox: { isolate_guest: true }, gateway: { port: 0 } })
    const started = ensureGuest({ home, workspace: openWorkspace(home, user), config, insecure: false, version: '0.0.0', env, warn() {} })
    await assert.rejects(started, /EISDIR/)
    assert.deepEqual(
      readdirSync(join(workspace.root, 'ipc')).filter((name) => name.endsWith('.sock')),
      [],
    )
  })

  it('is refused with what to build when there is no image', async () => {
    using workspace = makeWorkspace()
    const sandbox = { isolate_guest: true, container: { image: 'localhost/oxbow/none:1' } }
    await assert.rejects(startRunner(workspace, { sandbox }), /no image for containers/)
  })
})

/** Long for a guest that closes all it has. */
const patienceMs = 60_000
