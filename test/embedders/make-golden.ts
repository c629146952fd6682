/**
 * Writes `golden-tokens.json`: what another implementation of tokenizers, Hugging Face's own, makes of the texts.
 *
 *   npm install --prefix FOLDER @huggingface/tokenizers
 *   node test/embedders/make-golden.ts FOLDER
 */
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { oddTexts, trueModels } from './true-models.ts'

interface Theirs {
  readonly Tokenizer: new (
    document: object,
    config: object,
  ) => {
    encode(text: string, options: { readonly add_special_tokens: false }): { readonly ids: readonly number[] }
  }
}

const folder = process.argv[2] ?? ''
const { Tokenizer } = createRequire(join(folder, 'x.js'))('@huggingface/tokenizers') as Theirs
const golden = Object.entries(trueModels).map(([name, document]) => {
  const tokenizer = new Tokenizer(structuredClone(document), {})
  return [name, oddTexts.map((text) => tokenizer.encode(text, { add_special_tokens: false }).ids)]
})
writeFileSync(new URL('golden-tokens.json', import.meta.url), `${JSON.stringify(Object.fromEntries(golden))}\n`)
