/** Reads a secret from the person: typed without showing it, or piped in; never from an argument, which others can see. */
import { StringDecoder } from 'node:string_decoder'
import { OxbowError } from '../../types/index.ts'
import { readPiped } from '../piped-input.ts'
import type { Terminal } from '../terminal.ts'

const enter = /[\r\n]/
const cancel = '\u0003'
const end = '\u0004'
const rubOuts = ['\b', '\u007f']

/** @throws OxbowError `cancelled` on Ctrl+C, `bad_input` for nothing */
export async function readSecret(terminal: Terminal, name: string): Promise<string> {
  const value = terminal.input.isTTY ? await typed(terminal, `Value of ${name} (not shown): `) : await readPiped(terminal.input, false)
  if (value !== '') return value
  throw new OxbowError('bad_input', 'the secret is empty', { hint: `Type it, or pipe it in: oxbow secret set ${name} < file` })
}

function typed({ input, errors }: Terminal, prompt: string): Promise<string> {
  const decoder = new StringDecoder('utf8')
  // Before it asks: whoever types at once must not see it either.
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
          reject(new OxbowError('cancelled', 'nothing was kept', { hint: 'Run it again.' }))
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
