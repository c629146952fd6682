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
    onInterrupt: () => interrupts++,
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
    interrupts: () => interrupts,
    ended: () => ended,
  }
}

void test('while nobody types, text streams as it comes and the prompt comes back after it', () => {
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

void test('what comes in while a person types waits until the line is entered', async () => {
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

void test('what comes in while a person types is shown when the line is erased', async () => {
  const { screen, press, written } = openScreen()
  screen.prompt('› ')
  await press('x')
  screen.line('news')
  assert.doesNotMatch(written(), /news/)
  await press('\u007f')
  assert.match(written(), /news\n› $/)
  screen.close()
})

void test('Ctrl+C is handed on, Ctrl+D ends', async () => {
  const { press, interrupts, ended } = openScreen()
  await press('\u0003')
  assert.equal(interrupts(), 1)
  assert.equal(ended(), false)
  await press('\u0004')
  assert.equal(ended(), true)
})
