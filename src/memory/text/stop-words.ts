/**
 * English words that say nothing about what a question is after. Texts keep them: they weigh almost nothing there, and names are
 * made of them too. Questions of other languages lose nothing by this list, and their small words are rare enough by weight.
 */
const list =
  'a about above after again all also am an and any are arent as at be because been before being below between both but by can cannot cant could couldnt did didnt do does doesnt doing dont down during each else ever few for from further get got had hadnt has hasnt have havent having he her here hers herself him himself his how i id if ill im in into is isnt it its itself ive just lets like many may me might more most much must my myself no nor not of off ok on once one only onto or other ought our ours ourselves out over own per please really same shall she should shouldnt so some such than that thats the their theirs them themselves then there these they theyre this those though through to too under until up upon us very was wasnt we well were werent what whats when where which while who whom whos whose why will with within without wont would wouldnt yes yet you your youre yours yourself yourselves tell know remember said say mention mentioned talk talked something anything thing things way kind sort recently ago'

const stopWords: ReadonlySet<string> = new Set(list.split(' '))

/** @param word in lower case, before its ending was cut */
export function isStopWord(word: string): boolean {
  return stopWords.has(word)
}
