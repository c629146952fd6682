/** Configuration of the store and of memory. */
import { z } from 'zod'

export interface StoreConfig {
  durability: 'normal' | 'full'
  url: string
  url_env: string
  pool: number
  encrypt: boolean
  passphrase_env: string
}

export interface MemoryConfig {
  recall: boolean
  recall_tokens: number
  recall_results: number
  index_messages: boolean
  embedder: string
  folders: string[]
  summary: { enabled: boolean; trigger_ratio: number; target_ratio: number; min_turns: number; model: string }
  titles: { model: string; budget: { micro_dollars: number; tokens: number } }
  consolidation: {
    enabled: boolean
    every_h: number
    min_sessions: number
    model: string
    fading: number
    budget: { micro_dollars: number; tokens: number }
  }
}

export const storeConfig: z.ZodType<StoreConfig> = z
  .strictObject({
    durability: z
      .enum(['normal', 'full'])
      .default('normal')
      .describe('`normal`: survives the death of the process. `full`: survives power loss, slower.'),
    url: z
      .string()
      .default('')
      .describe('`postgres://user@host/database` keeps journal and memory in Postgres. Empty: a file in the workspace.'),
    url_env: z
      .string()
      .default('OXBOW_STORE_URL')
      .describe('Name of the environment variable with that address, so that its password stands in no file. Goes before `store.url`.'),
    pool: z.int().min(2).max(100).default(8).describe('Most connections to Postgres.'),
    encrypt: z.boolean().default(false).describe('The whole file is encrypted. Turn it on by `oxbow store encrypt`.'),
    passphrase_env: z
      .string()
      .default('OXBOW_PASSPHRASE')
      .describe('Name of the environment variable with the passphrase. Unset: a key file that only its owner can read.'),
  })
  .prefault({})

const ratio = (value: number): z.ZodDefault<z.ZodNumber> => z.number().gt(0).lt(1).default(value)

export const memoryConfig: z.ZodType<MemoryConfig> = z
  .strictObject({
    recall: z
      .boolean()
      .default(true)
      .describe('What fits the message is looked up in memory before each turn, and shown to the model as data.'),
    recall_tokens: z.int().min(0).default(1_000).describe('Most tokens of what is recalled before a turn.'),
    recall_results: z.int().min(1).max(50).default(8).describe('Most memories recalled before a turn.'),
    index_messages: z.boolean().default(true).describe('Conversations can be found again later.'),
    embedder: z
      .string()
      .default('words-50k')
      .describe(
        'What makes vectors of texts: `words-50k` (built in), `none`, `hash` (for tests), `folder:PATH` (a model2vec folder), `onnx:PATH`, or `provider/model`.',
      ),
    folders: z
      .array(z.string())
      .default([])
      .describe('Folders of the workspace (`/shared/docs`) whose documents are kept in memory, anew whenever they change.'),
    summary: z
      .strictObject({
        enabled: z.boolean().default(true).describe('What no longer fits the window is kept as a summary.'),
        trigger_ratio: ratio(0.85).describe('Part of the window that is full when a summary is made.'),
        target_ratio: ratio(0.5).describe('Part of the window that is full after it.'),
        min_turns: z.int().min(1).default(6).describe('Fewest messages worth a summary.'),
        model: z.string().default('').describe('Model that writes summaries. Empty: the model of the session.'),
      })
      .prefault({}),
    titles: z
      .strictObject({
        model: z
          .string()
          .default('')
          .describe(
            'Model that gives a session its title after the first reply; `session`: its own. Empty: the first line of the first message.',
          ),
        budget: z
          .strictObject({
            micro_dollars: z.int().min(0).default(10_000).describe('Most that titles may cost in a day.'),
            tokens: z.int().min(0).default(50_000).describe('Most tokens of titles in a day.'),
          })
          .prefault({}),
      })
      .prefault({}),
    consolidation: z
      .strictObject({
        enabled: z.boolean().default(true).describe('Memory is tidied in the background: duplicates, contradictions, what has faded.'),
        every_h: z.number().min(1).default(24).describe('Hours between two times.'),
        min_sessions: z.int().min(1).default(5).describe('So many new sessions start it earlier.'),
        model: z.string().default('').describe('Model that finds facts. Empty: none, rules only.'),
        fading: z.number().min(0).max(10).default(1).describe('How quickly memories fade: 0.5 half as quickly, 2 twice, 0 not at all.'),
        budget: z
          .strictObject({
            micro_dollars: z.int().min(0).default(50_000).describe('Most that one time may cost.'),
            tokens: z.int().min(0).default(100_000).describe('Most tokens of one time.'),
          })
          .prefault({}),
      })
      .prefault({}),
  })
  .prefault({})
