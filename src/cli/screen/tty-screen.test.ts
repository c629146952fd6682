import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
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

function openScreen(isDumb = false): Fixture {
  const input = new PassThrough()
  const output = Object.assign(new PassThrough(), { columns: 80, rows: 24, isTTY: true })
  const lines: string[] = []
  let interrupts = 0
  let ended = false
  const screen = createTtyScreen(isDumb)(input as unknown as NodeJS.ReadStream, output as unknown as NodeJS.WriteStream, {
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

void test('pasted text of several lines is one message, which Enter sends', async () => {
  const { lines, press, screen } = openScreen()
  await press(`look: ${pasted('one\r  two\r')}`)
  assert.deepEqual(lines, [])
  assert.equal(screen.isTyping?.(), true)
  await press('please\r')
  assert.deepEqual(lines, ['look: one\n  two\nplease'])
  screen.close()
})

void test('the newline of a pasted line does not send it', async () => {
  const { lines, press, screen } = openScreen()
  await press(pasted('yes\n'))
  assert.deepEqual(lines, [])
  await press('!\r')
  assert.deepEqual(lines, ['yes\n!'])
  screen.close()
})

void test('Ctrl+C forgets pasted lines, also where the end of the paste is lost', async () => {
  const { lines, press, written, screen } = openScreen()
  await press('\u001b[200~one\rtwo')
  await press('\u0003')
  assert.match(written(), /cleared/)
  await press('three\r')
  assert.deepEqual(lines, ['three'])
  screen.close()
})

void test('bracketed-paste mode is turned on at the start and off at the end', () => {
  const { raw, screen } = openScreen()
  assert.ok(raw().includes('\u001b[?2004h'))
  screen.close()
  assert.ok(raw().includes('\u001b[?2004l'))
})

void test('a dumb terminal gets text and newlines only, and its lines are taken as it sends them', async () => {
  const { lines, press, raw, screen } = openScreen(true)
  screen.prompt('› ')
  screen.line('news')
  screen.prompt(null)
  await press('hello\n')
  assert.deepEqual(lines, ['hello'])
  screen.stream('an answer')
  screen.prompt('› ')
  screen.close()
  assert.equal(raw(), '› \nnews\n› \nan answer\n› ')
})

void test('isTyping reports typed input and waiting lines', async () => {
  const input = new PassThrough()
  const output = Object.assign(new PassThrough(), { columns: 80, rows: 24, isTTY: true })
  const seen: (readonly [string, boolean])[] = []
  const screen: Screen = createTtyScreen(false)(input as unknown as NodeJS.ReadStream, output as unknown as NodeJS.WriteStream, {
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
