/* whole: both towers of the whole batch on one tape, which is walked back once. */
#include "train/internal.h"

static void embed(void *self, itr_step *s)
{
	itr_trainer *r = s->trainer;
	(void)self;
	itr_tape_reset(r->tape, s->number);
	s->tape = r->tape;
	s->pooled[0] = itr_model_text(s->tape, r->model, itr_source_embed(r->source[0], s->tape, 0, s->batch.n));
	s->pooled[1] = itr_model_image(s->tape, r->model, itr_source_embed(r->source[1], s->tape, 0, s->batch.n));
}

static void back(void *self, itr_step *s)
{
	(void)self;
	s->trainer->time.flops += itr_tape_flops(s->tape);
}

const itr_strategy itr_strategy_whole = { .name = "whole", .summary = "the batch at once", .embed = embed, .back = back };
