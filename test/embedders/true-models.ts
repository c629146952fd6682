/**
 * Tokenizers as published model2vec models have them, over small vocabularies: what stands in `tokenizer.json` of potion-base-8M
 * (WordPiece), of models that were distilled since 2025 (Unigram over many steps of normalizing), of multilingual ones (sentencepiece)
 * and of byte-level ones. And the texts with which tokenizers are known to differ.
 */

const words =
  'the a an and of to in on is was he she they river doctor cello boat ship sea blue cold house street plan budget meeting lisbon clara oxen'.split(
    ' ',
  )
const letters = 'abcdefghijklmnopqrstuvwxyz0123456789'.split('')
const signs = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'.split('')
const pieces = ['##s', '##ing', '##ed', '##er', '##en', '##ly', '##tion', ...letters.map((letter) => `##${letter}`)]
const others = ['é', 'ß', 'ø', '中', '文', '日', '本', '語', '한국', 'ж', 'σ', 'ς', '🚀', 'ก', 'า', 'ร']

const bertVocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...signs, ...letters, ...others, ...words, ...pieces]
const ids = (tokens: readonly string[]): Readonly<Record<string, number>> =>
  Object.fromEntries([...new Set(tokens)].map((token, id) => [token, id]))

const special = (id: number, content: string): object => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
})
const head = { version: '1.0', truncation: null, padding: null }

/** potion-base-2M to 32M. */
const wordPiece = {
  ...head,
  added_tokens: [special(0, '[PAD]'), special(1, '[UNK]')],
  normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: null,
  decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  model: {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: ids(bertVocabulary),
  },
}

/** What model2vec puts behind the steps of the model that it distils: space around each sign, then no more than one space. */
const spacedSigns = [
  ...signs.map((sign) => ({ type: 'Replace', pattern: { String: sign }, content: ` ${sign} ` })),
  { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
  { type: 'Strip', strip_left: true, strip_right: true },
]
const spacePieces = ['[PAD]', '[UNK]', ...signs.map((sign) => `▁${sign}`), ...words.map((word) => `▁${word}`)]
const innerPieces = [...letters, ...others, 's', 'ing', 'ed', 'er', 'en', 'ly', 'tion', '▁', '▁the▁river', '▁blue▁sea']
const unigramVocabulary = [...new Set([...spacePieces, ...innerPieces])]
const weight = (token: string): number => token.length + (token.startsWith('▁') ? 1 : 0)
const whole = unigramVocabulary.reduce((sum, token) => sum + weight(token), 0)

/** Distilled by model2vec 0.5 and later, whatever the tokenizer of its teacher was. */
const distilled = {
  ...head,
  added_tokens: [special(0, '[PAD]'), special(1, '[UNK]')],
  normalizer: { type: 'Sequence', normalizers: [wordPiece.normalizer, ...spacedSigns] },
  pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: false },
  post_processor: null,
  decoder: null,
  model: {
    type: 'Unigram',
    unk_id: 1,
    vocab: unigramVocabulary.map((token) => [token, Math.log(weight(token) / whole)]),
    byte_fallback: false,
  },
}

/** As XLM-RoBERTa has it, without its table of characters. */
const sentencePiece = {
  ...head,
  added_tokens: [special(0, '[PAD]'), special(1, '[UNK]')],
  normalizer: { type: 'Sequence', normalizers: [{ type: 'NFKC' }, { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }] },
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [{ type: 'WhitespaceSplit' }, { type: 'Metaspace', replacement: '▁', add_prefix_space: true, prepend_scheme: 'always' }],
  },
  post_processor: null,
  decoder: null,
  model: { type: 'Unigram', unk_id: 1, vocab: unigramVocabulary.map((token, id) => [token, -2 - (id % 17) / 3]) },
}

const byteLetters = [
  ...Array.from({ length: 94 }, (_, at) => 33 + at),
  ...Array.from({ length: 12 }, (_, at) => 161 + at),
  ...Array.from({ length: 82 }, (_, at) => 174 + at),
  ...Array.from({ length: 68 }, (_, at) => 256 + at),
].map((point) => String.fromCodePoint(point))
const merges = ['t h', 'th e', 'Ġ the', 'i n', 'Ġ r', 'i v', 'iv e', 'ive r', 'Ġr iver', 'e n', 'o x', 'ox en', 'Ġ 1', 'Ã ©']
/** As GPT-2 and RoBERTa have it. */
const bytePair = {
  ...head,
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
  post_processor: null,
  decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: '',
    end_of_word_suffix: '',
    fuse_unk: false,
    byte_fallback: false,
    vocab: ids([...byteLetters, ...new Set(merges.map((merge) => merge.replace(' ', '')).concat('Ġr'))]),
    merges,
  },
}

export type TrueModel = 'wordPiece' | 'distilled' | 'sentencePiece' | 'bytePair'
export type TrueTokenizer = object & { readonly model: { readonly vocab: Readonly<Record<string, number>> | readonly unknown[] } }
export const trueModels: Readonly<Record<TrueModel, TrueTokenizer>> = { wordPiece, distilled, sentencePiece, bytePair }

/** Texts that tell tokenizers apart. */
export const oddTexts: readonly string[] = [
  '',
  '   ',
  'The river is cold.',
  'THE RIVER, the   river;the\triver\nthe river',
  'She was a doctor in Lisbon (on the blue sea).',
  'résumé café naïve Zoë',
  'ÉCOLE Ü ß ẞ ﬁle',
  'İstanbul ı',
  'ΣΟΦΟΣ σοφος',
  '中文日本語 한국',
  'zero\u200bwidth\u200djoiner\ufeffbom',
  'nbsp\u00a0here\u2003em\u3000ideo',
  'ctrl\u0000nul\u0007bel\u007fdel\u0085nel',
  'rockets 🚀 and 👩\u200d💻 ok',
  'ｔｈｅ ｒｉｖｅｒ',
  'a!!! (b) [c] {d} <e> "f" `g` ~h~ ^i^ j_k $5 100% a+b=c|d',
  'x'.repeat(101),
  'y'.repeat(100),
  "it's they've I'm",
  'combining e\u0301 a\u0300 o\u0308',
  'src/main.ts --flag=value && echo done',
  'https://example.org/a?b=c#d',
  '12345 67.89 -0 +5 ①②',
  '¿qué? «non» — … · –',
  'การ thai العربية',
  '𝔘𝔫𝔦 𝐀𝐁',
  'oxen oxens unoxed',
  ' leading and trailing ',
]
