/** Reading from standard input outside the chat: piped text, hidden secrets, Ctrl+C. */
import { createInterface } from 'node:readline/promises'
import { StringDecoder } from 'node:string_decoder'
import { setTimeout as passed } from 'node:timers/promises'
import { OxbowError } from '../base/index.ts'
import { maxPipedBytes, silentPipeMs, sameInterruptMs, typedAheadMs } from './limits.ts'
import { printNotice, type Terminal } from './terminal.ts'

/**
 * @param hasPrompt with a prompt, a silent pipe is taken for inherited and ignored; without one, this waits for it
 * @returns the piped text, decoded; empty for a terminal. @throws OxbowError `limit_reached` over 1 MiB, `bad_input` for text that is not UTF-8.
 */
export async function readPiped(input: NodeJS.ReadStream, hasPrompt: boolean, silentMs: number = silentPipeMs): Promise<string> {
  if (input.isTTY) return ''
  const chunks: Buffer[] = []
  let bytes = 0
  const silent = hasPrompt ? setTimeout(() => input.destroy(), silentMs) : undefined
  try {
    for await (const chunk of input) {
      clearTimeout(silent)
      chunks.push(chunk as Buffer)
      bytes += (chunk as Buffer).length
      if (bytes > maxPipedBytes) {
        throw new OxbowError('limit_reached', `more than ${maxPipedBytes} bytes were piped in`, {
          hint: 'Put the text into a file of the workspace and ask about the file.',
        })
      }
    }
  } catch (error) {
    // A silent pipe that is ignored.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error
  } finally {
    clearTimeout(silent)
  }
  return decode(Buffer.concat(chunks))
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).trimEnd()
  } catch (cause) {
    throw new OxbowError('bad_input', 'the piped input is not UTF-8 text', {
      hint: 'Put the file into the workspace and name it instead.',
      cause,
    })
  }
}

// A model can get a person to type `y` and then ask for something else, so input typed before a question is read and discarded.

/** @param input must have no other reader */
async function dropTypedAhead(input: NodeJS.ReadStream): Promise<void> {
  if (!input.isTTY) return
  const drop = (): void => {}
  // Also the characters of an unfinished line.
  input.setRawMode(true)
  input.on('data', drop).resume()
  try {
    await passed(typedAheadMs)
  } finally {
    input.off('data', drop).pause()
    input.setRawMode(false)
  }
}

/**
 * Asks in the terminal. Ctrl+C, Ctrl+D and a terminal that is gone all mean no.
 * @param question without its ` [y/N] `
 */
export async function isYes(question: string, terminal: Pick<Terminal, 'input' | 'errors'>, of: Asking = {}): Promise<boolean> {
  return /^y(es)?$/i.test(await askLine(`${question} [y/N] `, terminal, of))
}

interface Asking {
  readonly shown?: string
  readonly over?: AbortSignal
}

/**
 * Asks in the terminal.
 * @param of what is shown before it, since what was typed until then is no answer to it, and when nobody needs the answer any more
 * @returns what was typed; empty for Ctrl+C, Ctrl+D and a terminal that is gone
 */
export async function askLine(
  question: string,
  { input, errors }: Pick<Terminal, 'input' | 'errors'>,
  { shown = '', over }: Asking = {},
): Promise<string> {
  await dropTypedAhead(input)
  if (shown !== '') printNotice({ errors }, shown)
  const gone = new AbortController()
  const signal = over === undefined ? gone.signal : AbortSignal.any([gone.signal, over])
  const lines = createInterface({ input, output: errors })
  for (const end of ['SIGINT', 'close']) lines.once(end, () => gone.abort())
  try {
    return (await lines.question(question, { signal })).trim()
  } catch (error) {
    if (signal.aborted) return ''
    throw error
  } finally {
    lines.close()
  }
}

// Secrets are typed without echo or piped in: other users can see arguments.

const enter = /[\r\n]/
const cancel = '\u0003'
const end = '\u0004'
const rubOuts = ['\b', '\u007f']

/** @throws OxbowError `cancelled` on Ctrl+C, `bad_input` for an empty secret */
export async function readSecret(terminal: Terminal, name: string): Promise<string> {
  const value = terminal.input.isTTY ? await typed(terminal, `Value of ${name} (not shown): `) : await readPiped(terminal.input, false)
  if (value !== '') return value
  throw new OxbowError('bad_input', 'the secret is empty', { hint: `Type it, or pipe it in: oxbow secret set ${name} < file` })
}

function typed({ input, errors }: Terminal, prompt: string): Promise<string> {
  const decoder = new StringDecoder('utf8')
  // Before the prompt, so that nothing typed early is echoed.
  input.setRawMode(true)
  errors.write(prompt)
  return new Promise<string>((resolve, reject) => {
    let value = ''
    const stop = (): void => {
      input.off('data', take)
      input.setRawMode(false)
      input.pause()
      errors.write('\n')
    }
    const take = (chunk: Buffer): void => {
      for (const character of decoder.write(chunk)) {
        if (character === cancel) {
          stop()
          reject(new OxbowError('cancelled', 'nothing was stored', { hint: 'Run it again.' }))
          return
        }
        if (enter.test(character) || character === end) {
          stop()
          resolve(value.trim())
          return
        }
        value = rubOuts.includes(character) ? Array.from(value).slice(0, -1).join('') : value + character
      }
    }
    input.on('data', take)
    input.resume()
  })
}

/**
 * Calls `stop` at the first SIGINT; the next one ends the program. Two at once count as one: a Ctrl+C arrives from the terminal and
 * from bin/oxbow.js.
 * @returns a function that removes the handler
 */
export function onInterrupt(stop: () => void): () => void {
  let stoppedAt: number | null = null
  const take = (): void => {
    if (stoppedAt !== null && performance.now() - stoppedAt < sameInterruptMs) return
    if (stoppedAt === null) {
      stoppedAt = performance.now()
      return stop()
    }
    process.off('SIGINT', take)
    process.kill(process.pid, 'SIGINT')
  }
  process.on('SIGINT', take)
  return () => void process.off('SIGINT', take)
}
