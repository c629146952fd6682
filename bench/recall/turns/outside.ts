/** Forty facts by an author who had seen no rule of recall and no result, and talk between them. No rule, bound or word is chosen by what it does here. */
import type { ToldFact } from './turn-set.ts'

export const outside: readonly ToldFact[] = [
  {
    told: 'My sister Mathilda works as a vet in Porto.',
    direct: 'Where does my sister Mathilda work?',
    reworded: 'What does my sibling do for a living?',
  },
  {
    told: 'The wifi password at the cabin is heron-4471.',
    direct: 'What is the wifi password at the cabin?',
    reworded: 'How do I get online at our place in the woods?',
  },
  {
    told: 'Our landlord is called Mr Okonkwo and he wants the rent by the third.',
    direct: 'What is our landlord called?',
    reworded: 'Who do I pay for the flat?',
  },
  { told: 'I am allergic to hazelnuts, found out at school.', direct: 'What am I allergic to?', reworded: 'Which food makes me ill?' },
  {
    told: 'The car is due for inspection on 14 March.',
    direct: 'When is the car due for inspection?',
    reworded: 'When must the vehicle go to the garage for its check?',
  },
  {
    told: 'We named the puppy Biscuit after a long argument.',
    direct: 'What did we name the puppy?',
    reworded: 'What is our little dog called?',
  },
  {
    told: 'Deploys of the billing service go out on Tuesdays only.',
    direct: 'On which day do deploys of the billing service go out?',
    reworded: 'When may I release the invoicing system?',
  },
  {
    told: 'I keep the spare key with Mrs Lindqvist on the second floor.',
    direct: 'Who keeps the spare key?',
    reworded: 'Where can I get in if I lock myself out?',
  },
  {
    told: 'My dentist appointment moved to 9:40 on Thursday.',
    direct: 'When is my dentist appointment?',
    reworded: 'At what time do I have my teeth looked at?',
  },
  {
    told: 'The staging database runs on port 6543 now.',
    direct: 'On which port does the staging database run?',
    reworded: 'How do I connect to the test Postgres?',
  },
  {
    told: 'Grandpa grew up in a village near Tartu.',
    direct: 'Where did grandpa grow up?',
    reworded: 'Which country area is my grandfather from?',
  },
  {
    told: 'For birthdays Lena only wants books by Annie Ernaux.',
    direct: 'What does Lena want for birthdays?',
    reworded: 'Which present would make Lena happy?',
  },
  { told: 'I pay 38 euros a month for the gym.', direct: 'How much do I pay for the gym?', reworded: 'What does my fitness club cost me?' },
  {
    told: 'Our team meets in room Kestrel since the move.',
    direct: 'In which room does our team meet?',
    reworded: 'Where is the weekly meeting held?',
  },
  {
    told: 'The boiler was repaired by a man named Tiberius from Haller and sons.',
    direct: 'Who repaired the boiler?',
    reworded: 'Which plumber fixed the heating?',
  },
  { told: 'I take 50 mg of sertraline each morning.', direct: 'How much sertraline do I take?', reworded: 'Which medicine am I on?' },
  {
    told: 'The project codename for the new app is Marmalade.',
    direct: 'What is the codename for the new app?',
    reworded: 'How do we call the upcoming product internally?',
  },
  {
    told: 'My flight to Oslo leaves at 06:15 from gate B22.',
    direct: 'From which gate does my flight to Oslo leave?',
    reworded: 'Where do I board for Norway?',
  },
  {
    told: 'We decided to use Zig instead of Rust for the parser.',
    direct: 'What did we decide to use for the parser?',
    reworded: 'Which programming language did we pick for reading the syntax?',
  },
  {
    told: 'My favourite coffee place is Fuglen, the one by the canal.',
    direct: 'What is my favourite coffee place?',
    reworded: 'Where do I like to drink an espresso?',
  },
  {
    told: 'By the way, my daughter Ines started violin lessons with a teacher called Pawel in September.',
    direct: 'Who teaches Ines the violin?',
    reworded: 'Who gives my daughter music lessons?',
  },
  {
    told: 'The house alarm code is 7719, but please never put it in an email.',
    direct: 'What is the house alarm code?',
    reworded: 'How do I switch the alarm off at home?',
  },
  {
    told: 'I switched jobs last month and now I am a data engineer at Norrland Freight.',
    direct: 'Where do I work now?',
    reworded: 'Which company employs me these days?',
  },
  {
    told: 'For the wedding we booked a barn near Ystad, the 22nd of August.',
    direct: 'Where did we book a barn for the wedding?',
    reworded: 'Where are we getting married?',
  },
  {
    told: 'The printer in the hall only works with driver version 4.2.1.',
    direct: 'With which driver version does the printer in the hall work?',
    reworded: 'The hall printer will not print, what did it need?',
  },
  {
    told: 'My mother does not eat pork and hates cilantro.',
    direct: 'What does my mother hate?',
    reworded: 'I am cooking for mum, what should I leave out?',
  },
  {
    told: 'Invoices for the museum must have the purchase order number PO-88213 on them.',
    direct: 'Which purchase order number must invoices for the museum have?',
    reworded: 'I am billing the museum, what has to be on it?',
  },
  {
    told: 'Our cat Schubert needs his thyroid tablet at seven in the evening.',
    direct: 'When does our cat Schubert need his tablet?',
    reworded: 'When should the cat get its medicine?',
  },
  {
    told: 'The backup of the NAS goes to the disk labelled Walrus.',
    direct: 'To which disk does the backup of the NAS go?',
    reworded: 'Which drive holds the copy of my network storage?',
  },
  {
    told: 'I promised Henrik that I would return his drill by Sunday.',
    direct: 'Whose drill did I promise to return by Sunday?',
    reworded: 'Whose tool do I still have?',
  },
  {
    told: 'My blood type is AB negative.',
    direct: 'What is my blood type?',
    reworded: 'The hospital form asks for my blood group, what is it?',
  },
  {
    told: 'The allotment is plot 46, behind the red pump.',
    direct: 'Which plot is the allotment?',
    reworded: 'Which number is our garden patch?',
  },
  {
    told: 'In the API the field customer_ref was renamed to party_id in version 3.',
    direct: 'To what was the field customer_ref renamed?',
    reworded: 'What is customer_ref called in the new version of the API?',
  },
  {
    told: 'The best man is my cousin Aurelio, he flies in from Turin.',
    direct: 'Who is the best man?',
    reworded: 'Which relative is standing next to me at the wedding?',
  },
  {
    told: 'I am learning Estonian, twenty minutes each evening.',
    direct: 'Which language am I learning?',
    reworded: 'What do I study each evening?',
  },
  {
    told: 'The tax office wants the VAT return before the tenth of May.',
    direct: 'When does the tax office want the VAT return?',
    reworded: 'What is the deadline for declaring the sales tax?',
  },
  {
    told: 'Our neighbours downstairs complain when the washing machine runs after nine.',
    direct: 'When do the neighbours complain about the washing machine?',
    reworded: 'Until when may I do laundry?',
  },
  {
    told: 'I ride a steel bike, a 58 cm frame by Rabeneick.',
    direct: 'What bike do I ride?',
    reworded: 'Which frame size and make do I need parts for on my bicycle?',
  },
  {
    told: 'The old server called Gargamel is switched off for good on Friday.',
    direct: 'Which old server is switched off on Friday?',
    reworded: 'Which machine are we shutting down this week?',
  },
  {
    told: 'My therapist is Dr. Vance, every second Wednesday.',
    direct: 'Who is my therapist?',
    reworded: 'Whom do I see every second Wednesday?',
  },
]

export const smallTalk: readonly string[] = [
  'hi',
  'hello there',
  'thanks!',
  'ok',
  'good morning',
  'how are you?',
  'great job',
  'lol',
  'see you later',
  'cool',
  'tell me a joke',
  'what can you do?',
  'sorry, typo',
  'yes please',
  'no',
  'never mind',
  'good night',
  'nice',
  'what time is it?',
  'you are funny',
  'hmm',
  'let me think',
  'thank you so much',
  'bye',
  'what day is it today?',
  'please continue',
  'sounds good',
  'wow',
  'who are you?',
  'write a haiku',
]

/** What was said between the facts. */
export const between: readonly string[] = [
  'Could you remind me to breathe? Just kidding.',
  'It rained all day here.',
  'I read a long article about glaciers this morning and it was rather dull.',
  'The meeting went on forever.',
  'Do you like chess?',
  'I cooked lentils again.',
  'Traffic was awful.',
  'My back hurts a bit from sitting.',
  'I should clean the kitchen tomorrow.',
  'That film last night was too long.',
]
