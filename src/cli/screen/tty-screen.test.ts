import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { maxPasteChars } from '../limits.ts'
import { createTtyScreen } from './tty-screen.ts'
import type { Screen } from './screen.ts'

interface Fixture {
  readonly screen: Screen
  readonly lines: string[]
  /** Keys as a terminal sends them; resolves when they were taken. */
  press(keys: string): Promise<void>
  /** What was written since the last look, without escape sequences. */
  written(): string
  /** The same, with what acts on the terminal. */
  raw(): string
  readonly interrupts: () => number
  readonly ended: () => boolean
}

function openScreen(): Fixture {
  const input = new PassThrough()
  const output = Object.assign(new PassThrough(), { columns: 80, rows: 24, isTTY: true })
  const lines: string[] = []
  let interrupts = 0
  let ended = false
  const screen = createTtyScreen(input as unknown as NodeJS.ReadStream, output as unknown as NodeJS.WriteStream, {
    onLine: async (line) => void lines.push(line),
    onInterrupt(cleared) {
      interrupts++
      screen.line(cleared ? 'cleared' : 'interrupted')
    },
    onEnd: () => (ended = true),
  })
  return {
    screen,
    lines,
    async press(keys) {
      input.write(keys)
      await new Promise(setImmediate)
    },
    written: () => stripVTControlCharacters(String(output.read() ?? '')),
    raw: () => String(output.read() ?? ''),
    interrupts: () => interrupts,
    ended: () => ended,
  }
}

void test('while nobody types, text streams immediately and the prompt follows it', () => {
  const { screen, written } = openScreen()
  screen.prompt(null)
  screen.stream('one ')
  screen.stream('two')
  assert.equal(written(), 'one two')
  screen.line('  · file_read  3 ms')
  assert.equal(written(), '\n  · file_read  3 ms\n')
  screen.prompt('› ')
  assert.equal(written(), '› ')
  screen.close()
})

void test('output is buffered while a person types, until the line is entered', async () => {
  const { screen, lines, press, written } = openScreen()
  screen.prompt(null)
  screen.stream('the answer is')
  await press('st')
  assert.match(written(), /^the answer is\n› +?s?t?/)
  screen.stream(' forty')
  screen.line('a call')
  assert.equal(written(), '')
  await press('op\r')
  assert.deepEqual(lines, ['stop'])
  assert.match(written(), / forty\na call\n$/)
  screen.close()
})

void test('output is buffered while a person types, until the line is erased', async () => {
  const { screen, press, written } = openScreen()
  screen.prompt('› ')
  await press('x')
  screen.line('news')
  assert.doesNotMatch(written(), /news/)
  await press('\u007f')
  assert.match(written(), /news\n› $/)
  screen.close()
})

void test('live lines replace the previous ones, and leave nothing behind', () => {
  const { screen, raw } = openScreen()
  screen.prompt(null)
  raw()
  screen.stream('working')
  screen.live?.(['runs for 1 s', `${'x'.repeat(200)}\u001b[2J`])
  assert.equal(raw(), `working\nruns for 1 s\n${'x'.repeat(78)}…\n`)
  screen.live?.(['runs for 2 s'])
  assert.equal(raw(), '\u001b[2A\u001b[1G\u001b[0Jruns for 2 s\n')
  screen.line('a line')
  assert.equal(raw(), '\u001b[1A\u001b[1G\u001b[0Ja line\nruns for 2 s\n')
  screen.live?.([])
  assert.equal(raw(), '\u001b[1A\u001b[1G\u001b[0J')
  screen.line('done')
  assert.equal(raw(), 'done\n')
  screen.close()
})

void test('live lines wait while a person types', async () => {
  const { screen, press, written } = openScreen()
  screen.prompt(null)
  await press('h')
  written()
  screen.live?.(['runs for 1 s'])
  assert.equal(written(), '')
  await press('\u007f')
  assert.match(written(), /runs for 1 s\r?\n/)
  screen.close()
})

void test('Ctrl+C is reported, Ctrl+D ends', async () => {
  const { press, interrupts, ended } = openScreen()
  await press('\u0003')
  assert.equal(interrupts(), 1)
  assert.equal(ended(), false)
  await press('\u0004')
  assert.equal(ended(), true)
})

void test('Ctrl+C clears the typed line and shows buffered output', async () => {
  const { press, written, lines, screen } = openScreen()
  screen.prompt('› ')
  await press('half a thought\u001b[D')
  screen.line('news')
  await press('\u0003')
  assert.match(written(), /cleared\n› $/)
  await press('\u0003')
  assert.match(written(), /interrupted\n› $/)
  await press('whole\r')
  assert.deepEqual(lines, ['whole'])
  screen.close()
})

const pasted = (text: string): string => `\u001b[200~${text}\u001b[201~`

void test('pasted text of several lines is one message, without control characters', async () => {
  const { lines, press, written, screen } = openScreen()
  await press(`look: ${pasted('one\r\ttwo\u001b[2J\u0007\r\n')} please`)
  assert.deepEqual(lines, [])
  assert.match(written(), /look: \[pasted #1: 2 lines\] please$/)
  await press('\r')
  assert.deepEqual(lines, ['look: one\n\ttwo please'])
  screen.close()
})

void test('a pasted line is like a typed one: its newline does not send it', async () => {
  const { lines, press, screen } = openScreen()
  await press(pasted('yes\n'))
  assert.deepEqual(lines, [])
  await press('!\r')
  assert.deepEqual(lines, ['yes!'])
  screen.close()
})

void test('a placeholder is erased as one, and keeps its text in the history', async () => {
  const { lines, press, screen } = openScreen()
  await press(`a${pasted('one\ntwo')}`)
  await press('\u007fb\r')
  assert.deepEqual(lines, ['ab'])
  await press(`${pasted('one\ntwo')}\r`)
  await press('\u001b[A\r')
  assert.deepEqual(lines.slice(1), ['one\ntwo', 'one\ntwo'])
  screen.close()
})

void test('pasted text that is too long is refused with advice, and the line stays unchanged', async () => {
  const { lines, press, written, screen } = openScreen()
  await press('a')
  await press(pasted('x'.repeat(maxPasteChars + 1)))
  await press('b\r')
  assert.match(written(), /the pasted text has over 1048576 characters; put it into a file/)
  assert.deepEqual(lines, ['ab'])
  screen.close()
})

void test('bracketed-paste mode is turned on at the start and off at the end', () => {
  const { raw, screen } = openScreen()
  assert.ok(raw().includes('\u001b[?2004h'))
  screen.close()
  assert.ok(raw().includes('\u001b[?2004l'))
})

void test('isTyping reports typed input and waiting lines', async () => {
  const input = new PassThrough()
  const output = Object.assign(new PassThrough(), { columns: 80, rows: 24, isTTY: true })
  const seen: (readonly [string, boolean])[] = []
  const screen: Screen = createTtyScreen(input as unknown as NodeJS.ReadStream, output as unknown as NodeJS.WriteStream, {
    onLine: async (line) => void seen.push([line, screen.isTyping?.() === true]),
    onInterrupt: () => {},
    onEnd: () => {},
  })
  input.write('y')
  await new Promise(setImmediate)
  assert.equal(screen.isTyping?.(), true)
  input.write('\ry\ry\r')
  while (seen.length < 3) await new Promise(setImmediate)
  assert.deepEqual(seen, [
    ['y', true],
    ['y', true],
    ['y', false],
  ])
  screen.close()
})
