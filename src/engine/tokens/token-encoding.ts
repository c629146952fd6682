/** Which of OpenAI's encodings a model counts with. */

export type TokenEncoding = 'o200k_base' | 'cl100k_base'

/**
 * The encoding with which counts are exact, by the rules of OpenAI's own tokenizer library (`tiktoken/model.py`): GPT-3.5,
 * GPT-4 before `gpt-4o`, and their embeddings use cl100k; everything since uses o200k.
 * @param model as the endpoint knows it; fine-tuned models (`ft:gpt-4o:…`) and names of routers (`openai/gpt-4o`) are understood
 * @returns null for models whose counts can only be estimated.
 */
export function encodingOf(model: string): TokenEncoding | null {
  const name = model.toLowerCase().replace(/^(?:.*\/)?(?:ft:)?/, '')
  if (/^(?:gpt-3\.5|gpt-35|text-embedding-(?:ada-002|3-)|(?:babbage|davinci)-002)/.test(name)) return 'cl100k_base'
  if (/^gpt-4(?:$|-(?!o))/.test(name)) return 'cl100k_base'
  return o200kNames.test(name) ? 'o200k_base' : null
}

/** `gpt-oss` counts text as o200k does: its harmony encoding adds special tokens only. */
const o200kNames =
  /^(?:gpt-(?:4o|4\.[15]|[5-9]|oss|audio|image|realtime)|o[1-9](?:$|-)|chatgpt-|chat-latest$|codex-|computer-use|daybreak-)/
