/** What hands may say about themselves. */
import { z } from 'zod'
import type { LifeOps } from '../../types/index.ts'

export const lifeReplies: { readonly [Op in keyof LifeOps]: z.ZodType<LifeOps[Op]['output']> } = {
  shutdown: z.strictObject({}),
}
