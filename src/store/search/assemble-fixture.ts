/** Assembles `dot-program.wat`, for the script that writes `dot-program.json` and the test that compares them. */
import { Buffer } from 'node:buffer'
import { readFileSync } from 'node:fs'
import wabt from 'wabt'

/** @returns the module's bytes as base64 */
export async function assembleDotProgram(): Promise<string> {
  const { parseWat } = await wabt()
  const name = 'dot-program.wat'
  const program = parseWat(name, readFileSync(new URL(name, import.meta.url), 'utf8'), { simd: true })
  try {
    return Buffer.from(program.toBinary({}).buffer).toString('base64')
  } finally {
    program.destroy()
  }
}
