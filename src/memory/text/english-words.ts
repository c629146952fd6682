/**
 * English stop words, removed from questions only. Texts keep them: they weigh almost nothing there and occur in names. Other languages
 * need no list, because frequent words have a low weight anyway.
 */
const list =
  'a about above after again all also am an and any are arent as at be because been before being below between both but by can cannot cant could couldnt did didnt do does doesnt doing dont down during each else ever few for from further get got had hadnt has hasnt have havent having he her here hers herself him himself his how i id if ill im in into is isnt it its itself ive just lets like many may me might more most much must my myself no nor not of off ok on once one only onto or other ought our ours ourselves out over own per please really same shall she should shouldnt so some such than that thats the their theirs them themselves then there these they theyre this those though through to too under until up upon us very was wasnt we well were werent what whats when where which while who whom whos whose why will with within without wont would wouldnt yes yet you your youre yours yourself yourselves tell know remember said say mention mentioned talk talked something anything thing things way kind sort recently ago'

const stopWords: ReadonlySet<string> = new Set(list.split(' '))

/** @param word lower case, not stemmed */
export function isStopWord(word: string): boolean {
  return stopWords.has(word)
}

/** English words with irregular forms, one per line: base, then forms. */
const lines = `
be am is are was were been
go went gone
buy bought
bring brought
think thought
teach taught
catch caught
seek sought
fight fought
see saw seen
say said
tell told
give gave given
take took taken
make made
meet met
get got gotten
come came
become became
run ran
begin began begun
drink drank drunk
sing sang sung
swim swam swum
ring rang rung
write wrote written
drive drove driven
ride rode ridden
rise rose risen
speak spoke spoken
break broke broken
choose chose chosen
steal stole stolen
wake woke woken
wear wore worn
tear tore torn
know knew known
grow grew grown
throw threw thrown
fly flew flown
draw drew drawn
eat ate eaten
fall fell fallen
forget forgot forgotten
hide hid hidden
bite bit bitten
shake shook shaken
sell sold
hold held
stand stood
understand understood
sit sat
sleep slept
keep kept
feel felt
leave left
lose lost
send sent
spend spent
lend lent
build built
pay paid
hear heard
read reads
find found
win won
lead led
feed fed
shoot shot
hang hung
stick stuck
dig dug
mean meant
deal dealt
dream dreamt
learn learnt
burn burnt
freeze froze frozen
swear swore sworn
do did done does
have had has
lie lay lain
child children
man men
woman women
person people
foot feet
tooth teeth
goose geese
mouse mice
wife wives
life lives
knife knives
leaf leaves
wolf wolves
shelf shelves
half halves
thief thieves
loaf loaves
good better best
bad worse worst
analysis analyses
crisis crises
datum data
index indices
matrix matrices
vertex vertices
medium media
die dying
marry married marries
`

const baseOf: ReadonlyMap<string, string> = new Map(
  lines
    .trim()
    .split('\n')
    .flatMap((line) => {
      const [base = '', ...forms] = line.split(' ')
      return forms.map((form) => [form, base] as const)
    }),
)

/** @returns the base of an irregular form, else the word itself */
export function regular(word: string): string {
  return baseOf.get(word) ?? word
}
