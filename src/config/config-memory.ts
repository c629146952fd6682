/** The sections `store` and `memory` of the configuration schema. */
import { z } from 'zod'

export const storeConfig = z
  .strictObject({
    durability: z
      .enum(['normal', 'full'])
      .default('normal')
      .describe('`normal`: data survives a crash of the process. `full`: data also survives power loss; slower.'),
    url: z
      .string()
      .default('')
      .describe('`postgres://user@host/database` stores journal and memory in Postgres. Empty: a file in the workspace.'),
    url_env: z
      .string()
      .default('OXBOW_STORE_URL')
      .describe(
        'Name of the environment variable that holds the URL, which keeps its password out of files. Takes precedence over `store.url`.',
      ),
    role: z
      .string()
      .regex(/^(?:[a-z_][a-z0-9_]{0,62})?$/, 'must be lowercase letters, digits and underscores')
      .default('')
      .describe(
        'Role of Postgres that guests work as, so that row-level security holds a statement to the rows of its user. The role of the address must be a member of it, and it must not own the tables. Empty: the role of the address.',
      ),
    pool: z.int().min(2).max(100).default(8).describe('Maximum number of connections to Postgres.'),
    encrypt: z.boolean().default(false).describe('Whether the database file is encrypted. Turn it on with `oxbow store encrypt`.'),
    passphrase_env: z
      .string()
      .default('OXBOW_PASSPHRASE')
      .describe(
        'Name of the environment variable that holds the passphrase. If that is not set, a key file that only its owner can read is used.',
      ),
  })
  .prefault({})
export type StoreConfig = z.infer<typeof storeConfig>

const ratio = (value: number): z.ZodDefault<z.ZodNumber> => z.number().gt(0).lt(1).default(value)

export const memoryConfig = z
  .strictObject({
    recall: z
      .boolean()
      .default(true)
      .describe('Before each turn, search memory for entries related to the message and show them to the model as data.'),
    recall_tokens: z.int().min(0).default(1_000).describe('Maximum tokens of memories recalled before a turn.'),
    recall_results: z.int().min(1).max(50).default(8).describe('Maximum number of memories recalled before a turn.'),
    index_messages: z.boolean().default(true).describe('Index conversations, so that memory search finds them.'),
    embedder: z
      .string()
      .default('words-50k')
      .describe(
        'Embedding model: `words-50k` (built in), `none`, `hash` (for tests), `folder:PATH` (a model2vec folder), `onnx:PATH`, or `provider/model`.',
      ),
    folders: z
      .array(z.string())
      .default([])
      .describe('Folders of the workspace (e.g. `/shared/docs`) whose documents are indexed in memory, and again whenever they change.'),
    summary: z
      .strictObject({
        enabled: z.boolean().default(true).describe('Summarize messages that no longer fit the context window.'),
        trigger_ratio: ratio(0.85).describe('Fill level of the context window at which a summary is made.'),
        target_ratio: ratio(0.5).describe('Fill level after a summary.'),
        model: z.string().default('').describe('Model that writes summaries. Empty: the model of the session.'),
      })
      .prefault({}),
    titles: z
      .strictObject({
        model: z
          .string()
          .default('')
          .describe(
            'Model that writes the title of a session after the first reply; `session`: the model of the session. Empty: no model, the title is the first line of the first message.',
          ),
        budget: z
          .strictObject({
            micro_dollars: z.int().min(0).default(10_000).describe('Spending limit for titles per day, in millionths of a dollar.'),
            tokens: z.int().min(0).default(50_000).describe('Token limit for titles per day.'),
          })
          .prefault({}),
      })
      .prefault({}),
    learn: z
      .strictObject({
        enabled: z.boolean().default(true).describe('Learn facts from what you have said, after each turn, in the background.'),
        model: z.string().default('').describe('Model that reads what no rule can, best a small one. Empty: the usual one.'),
        share: z
          .number()
          .min(0)
          .max(1)
          .default(0.05)
          .describe('How much it spends at most, as a part of what the session has spent on its turns. 0: no model, rules only.'),
      })
      .prefault({}),
    consolidation: z
      .strictObject({
        enabled: z
          .boolean()
          .default(true)
          .describe('Tidy memory in the background: merge duplicates, flag contradictions, drop what has faded.'),
        every_h: z.number().min(1).default(24).describe('Hours between two runs.'),
        min_sessions: z.int().min(1).default(5).describe('Number of new sessions that starts a run earlier.'),
        model: z.string().default('').describe('Model that extracts facts. Empty: no model, rules only.'),
        fading: z
          .number()
          .min(0)
          .max(10)
          .default(1)
          .describe('How fast memories fade: 0.5 is half as fast, 2 twice as fast, 0 not at all.'),
        budget: z
          .strictObject({
            micro_dollars: z.int().min(0).default(50_000).describe('Spending limit of one run, in millionths of a dollar.'),
            tokens: z.int().min(0).default(100_000).describe('Token limit of one run.'),
          })
          .prefault({}),
      })
      .prefault({}),
  })
  .prefault({})
