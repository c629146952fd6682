/**
 * What the people of the lifelike dialogues do. Unlike the topics of the other generator, a question about it mostly shares its rarer
 * words with the turn in which the thread began, and the answer stands two or more turns further on.
 *
 * In the lines `{S}` stands for whose it is, `{v}` for a value.
 */
export interface Activity {
  /** As people call it: `pottery`. */
  readonly name: string
  /** What a question for several activities calls it. */
  readonly group: Group
  readonly events: readonly LifeEvent[]
  readonly details: readonly Detail[]
  /** Asks what follows from it without being said. */
  readonly infer: readonly string[]
}

export const groups = {
  art: 'What artistic things does {S} do?',
  outdoors: 'Which outdoor activities has {S} done?',
  food: 'What does {S} cook, bake or eat?',
  family: 'What has {S} done for the family?',
  work: 'What is {S} doing for a career?',
  health: 'What does {S} do to stay healthy?',
  community: 'How does {S} help other people?',
  leisure: 'What does {S} do for fun?',
} as const

export type Group = keyof typeof groups

/** The same thing as it is said, as most ask for it, and in other words. */
export interface LifeEvent {
  /** After `I`. */
  readonly said: string
  /** After `did {S}`. */
  readonly asked: string
  readonly loosely: string
}

export interface Detail {
  /** The other one asks; the answer need not name the matter. */
  readonly lead: string
  /** What it is about, in words of the question; mostly part of the answer. */
  readonly matter: string
  readonly said: string
  readonly asked: string
  readonly loosely: string
  readonly values: readonly string[]
}

export const event = (said: string, asked: string, loosely: string): LifeEvent => ({ said, asked, loosely })

export const detail = (lead: string, matter: string, said: string, asked: string, loosely: string, values: readonly string[]): Detail => ({
  lead,
  matter,
  said,
  asked,
  loosely,
  values,
})
