/** Two old neighbours who write each other: typos, pictures, plans that change. Evidence is marked by a word in brackets. */
import type { WrittenSitting } from './written-chat.ts'

export const neighbours: readonly WrittenSitting[] = [
  {
    at: '2024-02-03T18:05:00Z',
    lines: `
Nadia: heyy Greg, long time!! hows the new place
Greg: Hey Nadia! its good, still boxes everywhere lol. Kitchen is tiny but the balcony makes up for it
[balcony] Greg: we already put two tomato pots out there, optimistic for february i know
Nadia: haha tomatoes in feb, brave
[hedgehog] Nadia: so thursday night i heard a noise by the bins and there was a hedgehog stuck in the drain. took me an hour to get it out
Greg: omg is it ok??
[vet] Nadia: yeah the vet on Lorne street kept it two nights, said it was just dehydrated. we let it go behind the allotments yesterday
Greg: you're a hero
Greg: and how's work, still at the council?
[notice] Nadia: handed in my notice on monday actually. 11 years!! i'm going to try the bakery thing properly
Greg: WHAT. thats huge. congrats
Nadia: terrified tbh
[markets] Nadia: plan is the saturday market first, just sourdough and the cardamom buns, see if anyone buys them
Greg: those buns!!! i would pay rent for those buns
[knee] Greg: im limping around btw, twisted my knee coming down the stairs with the sofa
Nadia: nooo. ice it
Greg: yeah yeah. physio on wednesday
Nadia: ok gotta run, dough waits for nobody
`,
  },
  {
    at: '2024-03-16T20:40:00Z',
    lines: `
Greg: how did the first market go??
[soldout] Nadia: sold out by 10:30!! 64 buns gone, i could not believe it
Greg: amazing!!
Nadia: [shares a photo of an empty wooden table with a handwritten sold out sign]
Greg: that sign haha
[oven] Nadia: only bad thing is my oven, it cant keep up. element went twice. i'm looking at a second hand deck oven from a pizza place in Hull thats closing
Greg: how much is that
[price] Nadia: 1800, he wants cash. i'm thinking about it
Greg: hm. could ask your brother?
Nadia: Sami? he's broke since the divorce lol
[class] Greg: anyway my news. Physio says no running till summer so I signed up for a woodcarving thing at the old mill, tuesdays
Nadia: ooh get you
[spoon] Greg: made a spoon last week. looks more like a paddle but its mine
Greg: [shares a photo of a pale lumpy wooden spoon on a bench]
Nadia: i love it, can it stir?
Greg: it can smack
[lena] Greg: Lena starts school in september too, she got the place at St Brigid's, we found out friday
Nadia: already!! she was a baby like yesterday
Greg: dont, i'll cry
Nadia: what about the tomatoes
[frost] Greg: dead. frost got them the week after i told you. learned my lesson
`,
  },
  {
    at: '2024-05-11T09:15:00Z',
    lines: `
Nadia: morning! you up?
Greg: always, Lena gets up at 5:50 like a rooster
[loan] Nadia: sooo i got it. the start up loan came thru, 6 thousand, and the deck oven is in my garage since tuesday
Greg: YES Nadia
[electric] Nadia: the electrician nearly fainted, had to run a whole new line from the box. but it bakes like a dream
Greg: so proud of you
Nadia: thank you <3
[cafe] Nadia: and Marlows, the cafe by the station, want 40 loaves a week from june
Greg: thats regular money!
Nadia: exactly, first time i sleep ok since february
[dog] Greg: we have a new family member... his name is Pickle, 3 yrs old, some kind of terrier and a lot of opinion
Nadia: a DOG? since when
[shelter] Greg: sunday. went to the shelter "just to look". Lena sat down next to him and that was that
Greg: [shares a photo of a scruffy brown terrier asleep on a pile of laundry]
Nadia: hes perfect
[chewed] Greg: he ate one of my carving gloves and the corner of the lease
Nadia: priorities
Greg: and how is your mum
[mum] Nadia: so so. the hip op is set for the 4th of july now, they moved it twice. she's learning crossword french to pass the time, dont ask
Greg: tell her hi from me
Nadia: i will
`,
  },
  {
    at: '2024-07-20T17:30:00Z',
    lines: `
Greg: hows your mum after the op??
[walking] Nadia: walking with one stick already! the nurses call her madame because of the french
Greg: haha legend
[stays] Nadia: she stays at mine till august, my sofa bed is her kingdom. i sleep in with the cat
Greg: and the bakery with all that?
[helper] Nadia: i hired someone! Tobi, 19, does the early shift fri and sat. first payslip i ever wrote
Greg: boss lady
Nadia: stoppp
[award] Greg: ok dont laugh but i won something. third place at the county fair, carving, for a heron
Nadia: THIRD?? from paddle spoon to heron in what, 4 months
[heron] Greg: its from the lime wood you found behind the church, so its half yours. stands on Lena's shelf now
Greg: [shares a photo of a slim carved bird with a green ribbon]
Nadia: im crying its beautiful
[run] Greg: knee is fine again too, did 5k on wednesday, slow as a tractor
Nadia: any summer plans
[camping] Greg: camping in Northumberland first week of august, tent, dog, child, pray for us
Nadia: it will rain
Greg: it will so rain
`,
  },
  {
    at: '2024-09-14T19:00:00Z',
    lines: `
Nadia: how was first day of school?
[school] Greg: she didnt even turn around to wave. i sat in the car for 20 min
Nadia: awww greg
[tent] Greg: also never told you, the tent collapsed 2nd night, we drove to a b&b at 3am with a wet dog. owner was an angel
Nadia: hahaha told you
[shop] Nadia: big one: i signed for the shop. the old shoe repair on Finch lane, keys on 1st of october
Greg: NADIA!!!!
Nadia: i know!! i know
[name] Nadia: its going to be called Second Rise. mum hated it for a day and now she tells everyone she came up with it
Greg: perfect name
[counter] Greg: let me build you the counter. seriously. ive got oak from my uncles barn
Nadia: are you serious, i'd love that. i pay you in buns
Greg: deal
[marlows] Nadia: had to drop marlows tho, they paid 60 days late every time, i cant live like that
Greg: good riddance
[cat] Nadia: and old Biscuit died last week. 17. mum held her
Greg: oh no im so sorry. she was a good cat
Nadia: the best
`,
  },
]

/** The words in brackets are the evidence. */
export const neighbourQuestions: readonly (readonly [text: string, kind: string, ...evidence: string[]])[] = [
  ['When did Nadia quit her job at the council?', 'temporal', 'notice'],
  ['How long had Nadia worked for the council?', 'single_hop', 'notice'],
  ['What animal did Nadia rescue?', 'single_hop', 'hedgehog'],
  ['Where was the hedgehog released?', 'single_hop', 'vet'],
  ['What did Nadia want to sell at the Saturday market?', 'single_hop', 'markets'],
  ['How did Greg hurt his knee?', 'single_hop', 'knee'],
  ['How many buns did Nadia sell on her first market day?', 'single_hop', 'soldout'],
  ['What was wrong with the equipment in which Nadia baked?', 'single_hop', 'oven'],
  ['How much did the pizza place ask for its oven?', 'single_hop', 'price'],
  ['What hobby did Greg take up instead of jogging?', 'single_hop', 'class'],
  ['What was the first thing Greg carved?', 'single_hop', 'spoon'],
  ["Which school will Greg's daughter go to?", 'single_hop', 'lena'],
  ["What happened to Greg's tomatoes?", 'single_hop', 'frost'],
  ['What has Greg grown outside his flat?', 'multi_hop', 'balcony', 'frost'],
  ['How did Nadia finance the bakery?', 'single_hop', 'loan'],
  ['When was the deck oven delivered?', 'temporal', 'loan'],
  ['Which cafe ordered bread from Nadia?', 'single_hop', 'cafe'],
  ['Why did Nadia stop supplying the cafe?', 'single_hop', 'marlows'],
  ["What is Greg's dog called and what breed is he?", 'single_hop', 'dog'],
  ['When did Greg adopt Pickle?', 'temporal', 'shelter'],
  ['What has the dog destroyed?', 'single_hop', 'chewed'],
  ["When was the operation of Nadia's mother?", 'temporal', 'mum'],
  ["What language is Nadia's mother studying?", 'single_hop', 'mum'],
  ['Where did her mother recover after the surgery?', 'single_hop', 'stays'],
  ['Whom did Nadia employ?', 'single_hop', 'helper'],
  ['What prize did Greg win?', 'single_hop', 'award'],
  ['What has Greg made out of wood?', 'multi_hop', 'spoon', 'award', 'heron'],
  ['When could Greg run again?', 'temporal', 'run'],
  ['Where did Greg spend his holiday?', 'single_hop', 'camping'],
  ['What went wrong on the camping trip?', 'single_hop', 'tent'],
  ['How did Lena behave on her first day at school?', 'single_hop', 'school'],
  ['Where is the shop of Nadia?', 'single_hop', 'shop'],
  ['What is the bakery called?', 'single_hop', 'name'],
  ['Who is going to build the furniture of the shop?', 'open_domain', 'counter'],
  ["What happened to Nadia's cat?", 'single_hop', 'cat'],
  ['Which animals does Nadia care for?', 'multi_hop', 'hedgehog', 'cat'],
  ['Would Greg be patient with a puppy?', 'open_domain', 'dog', 'chewed'],
  ['What milestones did the bakery reach in 2024?', 'multi_hop', 'soldout', 'loan', 'cafe', 'helper', 'shop'],
  ['Is Nadia good with money?', 'open_domain', 'marlows', 'loan'],
  ['When did Nadia get the keys for the shop?', 'temporal', 'shop'],
]
