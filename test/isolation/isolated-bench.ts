/** An isolated guest on a real runner, for tests: the kernel in a container without network, hands in a separate sandbox. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { ScenarioStep } from '../../src/engine/index.ts'
import type { JsonObject } from '../../src/base/index.ts'
import type { Config } from '../../src/config/index.ts'
import { openConversation } from '../support/conversation.ts'
import { startModel } from '../support/model.ts'
import { inTime } from '../support/patience.ts'
import { openTerminal } from '../support/terminal.ts'
import { makeWorkspace } from '../support/workspace.ts'
import type { TestWorkspace } from '../support/workspace.ts'

const script = fileURLToPath(new URL('./isolated-runner.ts', import.meta.url))

/** What makes containers, and how a runner finds it. */
export interface GuestEngine {
  /** Its client, by name or path. */
  readonly client: string
  /** What goes over the environment of this process. */
  readonly env: Readonly<Record<string, string>>
}

export const ownPodman: GuestEngine = { client: 'podman', env: {} }

export interface Runner extends AsyncDisposable {
  readonly url: string
  readonly pid: number
  /** Of the guest's first process, as this host numbers it. */
  guestPid(): number
  containers(): readonly string[]
  kill(): void
  readonly gone: Promise<void>
}

export async function startRunner(workspace: TestWorkspace, config: object, engine: GuestEngine = ownPodman): Promise<Runner> {
  const child = spawn(process.execPath, [script, workspace.home, JSON.stringify(config)], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...engine.env },
  })
  const ask = (...args: readonly string[]): readonly string[] =>
    execFileSync(engine.client, args, { encoding: 'utf8' }).split('\n').filter(Boolean)
  let errors = ''
  child.stderr.on('data', (bytes: Buffer) => (errors += String(bytes)))
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const first = Promise.race([
    new Promise<string>((resolve) => createInterface({ input: child.stdout }).once('line', resolve)),
    gone.then(() => assert.fail(`the runner ended: ${errors}`)),
  ])
  const line = await inTime(first, () => `the runner: ${errors}`).catch((error: unknown) => {
    child.kill('SIGKILL')
    throw error
  })
  const { url } = JSON.parse(line) as { url: string }
  const pid = child.pid!
  const containers = (): readonly string[] => ask('ps', '--all', '--quiet', '--filter', `label=oxbow.guest=${pid}`)
  return {
    url,
    pid,
    containers,
    guestPid() {
      const [guest = ''] = ask('ps', '--quiet', '--filter', `label=oxbow.guest=${pid}`, '--filter', 'label=oxbow.profile=guest')
      return Number(ask('inspect', '--format', '{{.State.Pid}}', guest)[0])
    },
    kill: () => void child.kill('SIGKILL'),
    gone,
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await inTime(gone, () => `the end of the runner: ${errors}`)
    },
  }
}

/** @returns a step in which the model calls this tool */
export function tool(name: string, input: JsonObject): ScenarioStep {
  return { events: [{ tool_call: { name, arguments: input } }] }
}

/** A conversation with such a guest, in which it uses files, commands, models and the web; and attempts that are refused. */
export async function guestWorks(sandbox: Partial<Config['sandbox']>, browsing: boolean, engine: GuestEngine = ownPodman): Promise<void> {
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
      command: `if command -v curl >/dev/null; then curl -sS $URL; else wget -qO- $URL; fi`.replaceAll('$URL', `http://127.0.0.1:${port}/`),
      hosts: [`127.0.0.1:${port}`],
    }),
    tool('shell_online', {
      command: `if command -v curl >/dev/null; then curl -sS $URL; else wget -qO- $URL; fi`.replaceAll('$URL', `http://127.0.0.1:${port}/`),
      hosts: ['nowhere.test'],
    }),
    ...(browsing ? [tool('browser_open', { url: `http://127.0.0.1:${port}/` })] : []),
    { events: [{ text: 'Done.' }] },
  ])
  const config = {
    model: model.config,
    approval: { privileged: 'allow' },
    agent: { rights: ['file.read', 'file.write', 'shell.run', 'shell.network', 'web.read', 'browser.use'] },
    sandbox: { ...sandbox, isolate_guest: true },
    egress: { allow: [`127.0.0.1:${port}`] },
    // A page of the web is untrusted, and a command that sends something cannot be taken back and may
    // reach a new host: it would be asked about.
    flow: { irreversible: 'allow', new_host: 'allow' },
  }
  await using runner = await startRunner(workspace, config, engine)
  {
    using terminal = await openTerminal(runner.url, workspace)
    assert.equal(terminal.status.isolated, true)
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
