/** What hands may say about a whole folder. Paths and links are told as they are: who uses them checks where they lead. */
import { z } from 'zod'
import type { SurveyOps } from '../../types/index.ts'
import { maxImportEntries, maxImportPathBytes } from '../limits.ts'

const path = z.string().max(maxImportPathBytes)

export const surveyReplies: { readonly [Op in keyof SurveyOps]: z.ZodType<SurveyOps[Op]['output']> } = {
  survey: z.strictObject({
    entries: z
      .array(
        z.strictObject({
          path,
          kind: z.enum(['file', 'folder', 'closed', 'link', 'other']),
          bytes: z.int().nonnegative(),
          executable: z.boolean(),
          modifiedMs: z.number(),
          stamp: z.string().max(120),
          target: path,
        }),
      )
      .max(maxImportEntries),
    truncated: z.boolean(),
  }),
}
