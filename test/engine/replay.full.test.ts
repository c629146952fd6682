/** A session that was recorded is played again by the commands that a person types, each a process of its own. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { chat } from './answers.ts'
import { startEndpoint } from './plain-endpoint.ts'
import { program } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

interface Turn {
  readonly session: string
  readonly reply: string
}

/** A home and, next to it, the shell's folder. */
function makeShell() {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-replay-'))
  const [home, here] = [join(root, 'home'), join(root, 'here')]
  for (const folder of [home, here]) mkdirSync(folder)
  shareCompileCache(home)
  const oxbow = async (...args: readonly string[]): Promise<Ran> => {
    const env = { PATH: process.env['PATH'], HOME: root, OXBOW_HOME: home }
    const child = spawn(process.execPath, [program, ...args], { env, cwd: here, stdio: ['ignore', 'pipe', 'pipe'] })
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    return { code: Number(code), out, err }
  }
  const say = async (message: string, session?: string): Promise<Turn> => {
    const ran = await oxbow('run', message, '--json', ...(session === undefined ? [] : ['--session', session]))
    assert.equal(ran.code, 0, ran.err)
    return JSON.parse(ran.out) as Turn
  }
  return {
    oxbow,
    say,
    configure: (lines: readonly string[]) => writeFileSync(join(home, 'config.toml'), `${lines.join('\n')}\n`),
    writeHere: (name: string, content: string) => writeFileSync(join(here, name), content),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  }
}

const messages = ['My name is Ada.', 'What time is it?', 'What is my name?']

test('three turns are replayed by three commands, and a prompt that is not in the recording is refused', async () => {
  using shell = makeShell()
  const story = [chat({ text: 'Hello, Ada.' }), chat({ call: ['time_now', '{}'] }), chat({ text: 'Late.' }), chat({ text: 'Ada.' })]
  await using endpoint = await startEndpoint((_, place) => story[place] ?? chat({ text: 'A title.' }))
  const model = ['[model]', 'name = "mine/m"', 'context_tokens = 50000']
  shell.configure([...model, '[providers.mine]', `base_url = "${endpoint.origin}/v1"`])
  const first = await shell.say(messages[0]!)
  const told = [first.reply]
  for (const message of messages.slice(1)) told.push((await shell.say(message, first.session)).reply)
  assert.deepEqual(told, ['Hello, Ada.', 'Late.', 'Ada.'])
  shell.writeHere('x.jsonl', (await shell.oxbow('audit', 'recording', first.session)).out)

  shell.configure(['[model]', 'provider = "replay"', 'replay = "x.jsonl"'])
  const again = await shell.say(messages[0]!)
  const replayed = [again.reply]
  for (const message of messages.slice(1)) replayed.push((await shell.say(message, again.session)).reply)
  assert.deepEqual(replayed, told)

  const other = await shell.oxbow('run', 'Something that was never said.')
  assert.equal(other.code, 14, other.out)
  assert.match(other.err, /x\.jsonl: messages\[1\]\.content differs from character 1 on/)
})
