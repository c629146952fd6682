/**
 * What people of the generated dialogues talk about. Each topic says the same thing in several ways, and asks for it in words
 * that mostly are not those in which it was said: a question is found by meaning or by its rarer words, not by its pattern.
 *
 * In the lines `{v}` stands for a value, `{p}` for somebody who is talked about, `{P}` for whom a question is about, `{ago}` for
 * a date as people say it, and `{when}` for one as a question asks for it.
 */
export interface Topic {
  readonly name: string
  /** Enough that several people have different ones. */
  readonly values: readonly string[]
  /** The other one asks first: for half of what is said, the subject is only named there. */
  readonly lead: readonly string[]
  /** Said by the person whose fact it is. */
  readonly said: readonly string[]
  /** The same with the subject left to the turn before. */
  readonly brief: readonly string[]
  /** Said of somebody else. */
  readonly other: readonly string[]
  readonly asks: readonly string[]
  readonly whens: readonly string[]
  /** What it says of a person without saying it. */
  readonly infer: readonly string[]
  /** Asks for every value that a person has had. */
  readonly all: readonly string[]
  /** A later value that takes the place of an earlier one, and the questions for what holds now. */
  readonly changed: { readonly said: readonly string[]; readonly asks: readonly string[] } | null
  /** The words of the topic without any fact. */
  readonly chatter: readonly string[]
}
