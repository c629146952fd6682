/** Two who play in a band and live in two cities: short lines, slang, dates by the day of the week. */
import type { WrittenSitting } from './written-chat.ts'

export const bandmates: readonly WrittenSitting[] = [
  {
    at: '2024-01-20T22:10:00Z',
    lines: `
Bel: yo Oren u alive
Oren: barely. just back from the night shift
Bel: the hospital again?
[icu] Oren: ya they moved me to intensive care in december, its heavier but the team is good
Bel: respect man, i could never
[thesis] Bel: im stuck in thesis hell. chapter 3, bees and pesticides, my supervisor wants everything redone by easter
Oren: bees again lol
Bel: its always bees
[bass] Bel: but i bought a bass!! a beat up 78 precision from a guy in Leipzig. neck is warped a bit, sounds like god
Oren: pics or it didnt happen
Bel: [shares a photo of a worn sunburst bass guitar leaning on a radiator]
Oren: ok thats sexy
[name] Oren: we need a real band name tho, The Oren Bel Thing is not it
Bel: i vote Wet Cardigan
Oren: ...i hate that i love it
[gig] Oren: cause i got us a slot. Kiosk, 9th of march, 30 minutes, opening for Plaster Dogs
Bel: WHAT. oren. we have four songs
Oren: then we write 2 more
[drummer] Oren: also asked Femi to drum, she said yes if we dont rehearse on sundays
Bel: Femi!! dream
`,
  },
  {
    at: '2024-03-10T13:30:00Z',
    lines: `
Bel: my ears still ring
Oren: best night in years
[crowd] Oren: there were like 90 people!! i counted from stage, well, femi did
[string] Bel: and i broke the E string in the second song and just kept going, nobody noticed
Oren: everybody noticed. it was great
[offer] Bel: the woman from Plaster Dogs asked if we want to come along in may, 5 dates, van and all. Brno, Vienna, Graz...
Oren: are you serious
Bel: dead serious
[leave] Oren: i have 9 days of leave left, i could use them all on that. mum will kill me, its her 60th on the 18th of may
Bel: oh no
Oren: ill figure it out
[burger] Bel: did u eat something weird after btw, i was sick all of sunday... must be that falafel truck
Oren: nope i had fries
Bel: smart man
`,
  },
  {
    at: '2024-04-28T18:00:00Z',
    lines: `
Oren: chapter 3 done??
[submitted] Bel: handed in the whole thing on friday!!! 214 pages. i slept 14 hours
Oren: DOCTOR BEL
Bel: not yet, defence is in june
[visa] Oren: small problem, my passport. its expired since november, i only saw it yesterday packing. appointment on thursday, express costs extra
Bel: OREN. the tour starts on the 8th
Oren: i know i know
[merch] Bel: ok good news, the shirts came. 50 of them, cardigan print, dripping. my cousin Ida drew it
Bel: [shares a photo of a grey t-shirt with a drawing of a dripping cardigan]
Oren: these are so good
[van] Oren: and the van is insured, i drive the first leg, Femi the second. u are not allowed after the incident
Bel: it was ONE bollard
[song] Oren: wrote a new one on night shift, its called Ward 6, slow, nearly no drums. its about the old man who taught me chess before he went
Bel: send it
Oren: its just me and a phone at 4am but ok
[cried] Bel: just heard it. not ok. im in the tram with a wet face
`,
  },
  {
    at: '2024-06-23T16:45:00Z',
    lines: `
Bel: dr bel reporting
Oren: YESSS congratulations!!! how was it
[defence] Bel: 2 hours on tuesday, one guy asked about wasps the entire time. magna cum laude tho
Oren: wasps lol. so whats next
[job] Bel: got offered a postdoc in Uppsala, starts in october. havent said yes yet
Oren: sweden... and the band?
Bel: thats why i havent said yes
[graz] Oren: i keep thinking of Graz, the power going out and all those people singing ward 6 with their phones up
Bel: yeah. never forget that
[birthday] Oren: mum forgave me btw. we celebrated a week late, i cooked for 22 people, her sisters flew in from Haifa
Bel: what did u make
[cooked] Oren: lamb with apricots, 3 salads, burnt rice the good way. my hands smelled of garlic till tuesday
Bel: im hungry now
[label] Oren: and a label wrote. tiny one, Moth Tapes, they want to put out a cassette, 6 songs
Bel: CASSETTE. my dad will finally get it
`,
  },
  {
    at: '2024-10-06T20:20:00Z',
    lines: `
Oren: how is the north
[moved] Bel: dark already lol. flat is nice, pine floors, a sauna in the basement that i share with 11 swedes
Oren: naked swedes
Bel: very
[lab] Bel: lab is great, they have 40 hives on the roof of the institute. got stung twice in week one
Oren: professional hazard
[recorded] Oren: i got the tape masters on monday. the mix of side b is gorgeous, femi cried. release is on the 15th of november
Bel: im flying down for it, booked already
[quit] Oren: i also did a thing. went down to 60 percent at the hospital. two years of icu nights is enough, i was so tired i put salt in the coffee
Bel: good. GOOD. im glad
[teach] Oren: fridays i teach guitar at the youth centre now, 8 kids, all of them want to play the same riff
Bel: which one
Oren: you know which one
[swim] Bel: i started swimming in the lake w my flatmate Saga, before breakfast, 9 degrees. i scream every time
Bel: [shares a photo of a misty lake with a wooden jetty and two towels]
Oren: insane person
[breakup] Oren: me and Jonas split up btw. august. its ok, we keep sharing the dog
Bel: oh Oren. why didnt u say anything
Oren: didnt want to write it down
`,
  },
]

export const bandmateQuestions: readonly (readonly [text: string, kind: string, ...evidence: string[]])[] = [
  ['In which ward does Oren work?', 'single_hop', 'icu'],
  ['What is the thesis of Bel about?', 'single_hop', 'thesis'],
  ['What instrument did Bel buy?', 'single_hop', 'bass'],
  ['What is the name of the band?', 'single_hop', 'name'],
  ['When did the band play its first concert?', 'temporal', 'gig'],
  ['Who plays the drums and on what condition?', 'single_hop', 'drummer'],
  ['How big was the audience at the Kiosk?', 'single_hop', 'crowd'],
  ["What mishap happened to Bel's instrument on stage?", 'single_hop', 'string'],
  ['Which cities were planned for the tour in May?', 'single_hop', 'offer'],
  ["Why was the tour a problem for Oren's family?", 'single_hop', 'leave'],
  ['What made Bel ill after the concert?', 'single_hop', 'burger'],
  ['When did Bel submit the dissertation?', 'temporal', 'submitted'],
  ['What document of Oren was out of date?', 'single_hop', 'visa'],
  ['Who designed the T-shirts?', 'single_hop', 'merch'],
  ['Who drives the van?', 'single_hop', 'van'],
  ['What is the song Ward 6 about?', 'single_hop', 'song'],
  ['How did Bel react to Ward 6?', 'single_hop', 'cried'],
  ['When did Bel defend her thesis?', 'temporal', 'defence'],
  ['What grade did Bel get?', 'single_hop', 'defence'],
  ['Where does Bel have a new position?', 'single_hop', 'job'],
  ['What happened in Graz?', 'single_hop', 'graz'],
  ["How did Oren celebrate his mother's birthday?", 'single_hop', 'birthday'],
  ['What dishes did Oren prepare?', 'single_hop', 'cooked'],
  ['Which record company is interested in the band?', 'single_hop', 'label'],
  ['What is in the basement of the building where Bel lives?', 'single_hop', 'moved'],
  ['Where does the institute keep its bees?', 'single_hop', 'lab'],
  ['When will the cassette come out?', 'temporal', 'recorded'],
  ['How did Oren change his working hours?', 'single_hop', 'quit'],
  ['What does Oren do on Fridays?', 'single_hop', 'teach'],
  ['What sport does Bel do in the morning?', 'single_hop', 'swim'],
  ['When did Oren and his boyfriend separate?', 'temporal', 'breakup'],
  ['Who is Saga?', 'single_hop', 'swim'],
  ['What did Bel achieve at university?', 'multi_hop', 'submitted', 'defence', 'job'],
  ['Which performances did the band have?', 'multi_hop', 'gig', 'offer', 'graz'],
  ['Would Oren be suited to be a teacher?', 'open_domain', 'teach'],
  ['Is Oren overworked?', 'open_domain', 'quit', 'icu'],
  ['What does Bel own that has a cardigan on it?', 'open_domain', 'merch'],
  ['Does Oren have a pet?', 'open_domain', 'breakup'],
  ['What has Oren written or recorded?', 'multi_hop', 'song', 'recorded'],
  ['Where has Bel moved to?', 'single_hop', 'moved', 'job'],
]
