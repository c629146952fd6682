/** Where the hands of an agent start: on this machine, or on another node of the cluster, where a person allows that for the definition. */
import { z } from 'zod'
import { OxbowError } from '../../../base/index.ts'
import type { AgentsConfig } from '../config.ts'

const label = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,39}$/, 'must be a label of a node')

export const handsChoice = z.union([z.enum(['home', 'anywhere']), z.array(label).min(1).max(10)])
export type HandsChoice = z.infer<typeof handsChoice>

interface Choosing {
  readonly name: string
  /** Of the definition. */
  readonly hands: HandsChoice
  /** Of the delegation; absent: as the definition says. */
  readonly asked: HandsChoice | undefined
  readonly config: Pick<AgentsConfig, 'elsewhere'>
  /** It has no branch of its own: whoever delegates has made it, or works on one. */
  readonly isOnOther: boolean
}

/** @returns what the node has to offer; undefined: hands start here @throws OxbowError `denied`, `bad_input` */
export function handsOf({ name, hands, asked, config, isOnOther }: Choosing): readonly string[] | undefined {
  const chosen = asked ?? (isOnOther ? 'home' : hands)
  if (chosen === 'home') return undefined
  if (isOnOther)
    throw new OxbowError('bad_input', `${name} works on a branch that there is, whose hands stay where they are.`, {
      hint: 'Leave `hands` or `branch` out; one that works on a branch itself delegates on that branch.',
    })
  if (!config.elsewhere.some((each) => each === '*' || each === name))
    throw new OxbowError('denied', `${name} may not have its hands on other nodes.`, {
      hint: `The user can allow it: add "${name}" to agents.elsewhere in config.toml. Or leave \`hands\` out.`,
    })
  return chosen === 'anywhere' ? [] : chosen
}
