/** `acpx`, a client of the Agent Client Protocol that others make, drives `oxbow acp`: sessions, permission, cancel, reconnect. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const checkout = fileURLToPath(new URL('../..', import.meta.url))
const root = mkdtempSync(join(tmpdir(), 'oxbow-acpx-'))
after(() => rmSync(root, { recursive: true, force: true, maxRetries: 5 }))
const home = join(root, '.oxbow')
const project = join(root, 'project')
for (const folder of [home, project]) mkdirSync(folder)

const spawnsAgent = { tool_call: { name: 'agent_spawn', arguments: { name: 'x', task: 'y' } } }
const scenario = {
  turns: [
    { match: 'permission', steps: [{ events: [spawnsAgent] }, { events: [{ text: 'Answered.' }] }] },
    { match: 'forever', steps: [{ events: [{ text: 'I wait. ' }, { delay_ms: 60_000 }, { text: 'Too late.' }] }] },
    { steps: [{ events: [{ text: 'Hello from the script.' }] }] },
  ],
}
writeFileSync(join(home, 'scenario.json'), JSON.stringify(scenario))
writeFileSync(join(home, 'config.toml'), `[model]\nprovider = "scripted"\nscenario = "${join(home, 'scenario.json')}"\n`)

interface Ran {
  readonly exit: number | null
  readonly out: string
}

function acpx(...args: readonly string[]): Promise<Ran> & { until(text: string): Promise<void> } {
  const agent = `${process.execPath} ${join(checkout, 'src/cli/main.ts')} acp --insecure`
  const child = spawn(process.execPath, [join(checkout, 'node_modules/acpx/dist/cli.js'), '--cwd', project, '--agent', agent, ...args], {
    env: { ...process.env, HOME: root, OXBOW_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  const look = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      out += bytes.toString()
      for (const each of look) each()
    })
  }
  const ran = new Promise<Ran>((resolve) => child.once('close', (exit) => resolve({ exit, out })))
  const until = (text: string): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (out.includes(text)) resolve()
      }
      look.add(check)
      check()
    })
  return Object.assign(ran, { until })
}

test('acpx has sessions, gives and refuses permission, cancels, and comes back after the agent has ended', async () => {
  const made = await acpx('sessions', 'new')
  assert.equal(made.exit, 0, made.out)
  const [id = ''] = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(made.out) ?? []

  const said = await acpx('--approve-all', 'prompt', 'hello')
  assert.match(said.out, /Hello from the script\.[^]*\[done\] end_turn/)

  const allowed = await acpx('--approve-all', 'prompt', 'permission please')
  assert.match(allowed.out, /Started x[^]*Answered\.[^]*end_turn/)

  const waiting = acpx('--approve-all', 'prompt', 'forever')
  await waiting.until('I wait.')
  assert.match((await acpx('cancel')).out, /cancel/)
  const cancelled = await waiting
  assert.match(cancelled.out, /\[done\] cancelled/)
  assert.doesNotMatch(cancelled.out, /Too late/)

  // The process that holds the agent is ended; the next prompt starts both anew and goes on in the same session.
  const owners = (await acpx('status')).out
  const pid = Number(/pid[^\d]*(\d+)/i.exec(owners)?.[1] ?? 0)
  if (pid > 0) process.kill(pid, 'SIGKILL')
  const refused = await acpx('--deny-all', '--non-interactive-permissions', 'deny', 'prompt', 'permission again')
  assert.match(refused.out, /session\/(?:resume|load)/)
  assert.doesNotMatch(refused.out, /Started x/)
  const { out: listed } = await acpx('sessions', 'list')
  assert.ok(listed.includes(id), listed)
})
